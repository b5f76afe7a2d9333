"""For Lightning: what a learned optimizer does goes to the trainer's loggers, and how long the run
is to the optimizer."""

from __future__ import annotations

import math
import warnings
from typing import Any

import lightning
from lightning.pytorch.callbacks import GradientAccumulationScheduler

from hyperadam.integrations.lengths import tell_length
from hyperadam.integrations.values import find_learned, measure


class LearnedOptimizerMonitor(lightning.Callback):  # type: ignore[misc]  # untyped where not there
    """Logs effective rate, direction norm, decay rates and weights of the mixture.

    Example:
        >>> monitor = LearnedOptimizerMonitor(every_n_steps=100, tell_length=True)
        >>> trainer = lightning.Trainer(callbacks=[monitor])

    The names are those of `hyperadam.integrations.values.measure`; with several learned
    optimizers, those of the second have `/2` at their end, and so on.

    Args:
        every_n_steps: steps of optimizers between two logs; each costs about a step in plain torch.
        tell_length: learned optimizers are told `total_steps` when training begins: the trainer's
            `estimated_stepping_batches`, as `hyperadam.integrations.lengths.tell_length` says. Of a
            run without an end nothing is told, nor, with a warning, where Lightning does not know
            how often an optimizer steps: with manual optimization, as several optimizers have it,
            and with `GradientAccumulationScheduler`. It changes what is trained, so it is asked
            for: who adds a monitor to look at a run gets the same run.

    Raises:
        ValueError: `every_n_steps` is less than 1.
    """

    def __init__(self, every_n_steps: int = 100, *, tell_length: bool = False) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self.tell_length = tell_length
        self._last_step = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning calls it when a checkpoint has been loaded, before the first batch."""
        if not self.tell_length:
            return
        unknown = _find_unknown(trainer, pl_module)
        if unknown:
            warnings.warn(
                f"tell_length: with {unknown}, Lightning does not know how many steps an optimizer "
                "makes. Nothing is told; if you know it, pass total_steps to the optimizer",
                stacklevel=2,
            )
            return
        n_steps = trainer.estimated_stepping_batches
        if math.isinf(n_steps):
            return
        for optimizer in find_learned(trainer.optimizers):
            tell_length(optimizer, int(n_steps), trainer.global_step)

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


def _find_unknown(trainer: Any, module: Any) -> str:
    """What makes the number of steps unknown that an optimizer will make; empty: nothing does."""
    if not module.automatic_optimization:
        return "manual optimization"
    if any(isinstance(one, GradientAccumulationScheduler) for one in trainer.callbacks):
        return "GradientAccumulationScheduler"
    return ""
