"""For Lightning: what a learned optimizer does goes to the trainer's loggers."""

from __future__ import annotations

from typing import Any

import lightning

from hyperadam.integrations.values import find_learned, measure


class LearnedOptimizerMonitor(lightning.Callback):  # type: ignore[misc]  # untyped where not there
    """Logs effective rate, direction norm, decay rates and weights of the mixture.

    Example:
        >>> monitor = LearnedOptimizerMonitor(every_n_steps=100)
        >>> trainer = lightning.Trainer(callbacks=[monitor])

    The names are those of `hyperadam.integrations.values.measure`; with several learned
    optimizers, those of the second have `/2` at their end, and so on.

    Args:
        every_n_steps: steps of optimizers between two logs; each costs about a step in plain torch.

    Raises:
        ValueError: `every_n_steps` is less than 1.
    """

    def __init__(self, every_n_steps: int = 100) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self._last_step = 0

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Lightning calls it after each batch; batches of one accumulated step log once."""
        step = trainer.global_step
        if step == self._last_step or step % self.every_n_steps:
            return
        self._last_step = step
        for number, optimizer in enumerate(find_learned(trainer.optimizers), 1):
            values = measure(optimizer)
            ending = "" if number == 1 else f"/{number}"
            named = {f"{name}{ending}": value for name, value in values.items()}
            for logger in trainer.loggers:
                logger.log_metrics(named, step=step)
