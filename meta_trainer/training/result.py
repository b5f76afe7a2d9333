"""How a meta-training ends: with a result, or because it was asked to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from meta_trainer.training.checkpoints import Checkpoint


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What a finished meta-training gives."""

    theta: Tensor
    """The best Θ by validation, shape (n_theta,), float32."""
    initial_theta: Tensor
    """Where it started."""
    final_theta: Tensor
    """Where it ended, best or not, before averaging."""
    best_update: int
    best_loss: float
    initial_loss: float
    n_updates: int
    """That were done."""
    seconds: float
    diverged: str | None = None
    """Why the training was stopped early, if it was."""

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        initial_theta: Tensor,  # shape: (n_theta,)
    ) -> Self:
        """What a meta-training under way has given so far; it has been validated."""
        assert checkpoint.initial_loss is not None
        return cls(
            theta=checkpoint.best_theta,
            initial_theta=initial_theta,
            final_theta=checkpoint.meta_optimizer["theta"],
            best_update=checkpoint.best_update,
            best_loss=checkpoint.best_loss,
            initial_loss=checkpoint.initial_loss,
            n_updates=checkpoint.update,
            seconds=checkpoint.seconds,
        )


class Stopped(Exception):
    """The job was asked to stop; its checkpoint has been handed to the recorder."""
