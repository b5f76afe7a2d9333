"""For Hugging Face's Trainer: what a learned optimizer does goes where the trainer logs to, and how
long the run is to the optimizer."""

from __future__ import annotations

from typing import Any

import transformers

from hyperadam.integrations.lengths import tell_length
from hyperadam.integrations.values import find_learned, measure


class LearnedOptimizerCallback(
    transformers.TrainerCallback  # type: ignore[misc]  # untyped where not there
):
    """Logs effective rate, direction norm, decay rates and weights of the mixture by
    `trainer.log`: into its history, TensorBoard, W&B, MLflow, whatever it reports to.

    Example:
        >>> callback = LearnedOptimizerCallback(trainer, every_n_steps=100, tell_length=True)
        >>> trainer.add_callback(callback)

    The names are those of `hyperadam.integrations.values.measure`.

    Args:
        trainer: whose callback it is.
        every_n_steps: steps between two logs; each costs about a step in plain torch.
        tell_length: the optimizer is told `total_steps` when training begins, as
            `hyperadam.integrations.lengths.tell_length` says: with epochs and accumulated gradients
            the trainer alone knows how many steps there will be, and not before. It changes what is
            trained, so it is asked for: who adds a callback to look at a run gets the same run.

    Raises:
        ValueError: `every_n_steps` is less than 1.
    """

    def __init__(
        self, trainer: Any, every_n_steps: int = 100, *, tell_length: bool = False
    ) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        self.trainer = trainer
        self.every_n_steps = every_n_steps
        self.tell_length = tell_length

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """The trainer calls it when a checkpoint has been loaded, before the first batch."""
        if not self.tell_length:
            return
        for optimizer in find_learned([kwargs.get("optimizer")]):
            tell_length(optimizer, state.max_steps, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """The trainer calls it after each step of the optimizer."""
        if state.global_step % self.every_n_steps:
            return
        for optimizer in find_learned([kwargs.get("optimizer")]):
            self.trainer.log(measure(optimizer))
