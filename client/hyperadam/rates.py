"""The rate of a learned optimizer, step by step: what is deployed, evaluated and meta-trained has one and the same."""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_WARMUP_STEPS: Final = 10_000


class Rate(NamedTuple):
    """α and W, which Θ is trained with, carries along and is run with."""

    lr: float
    """α, in units of the parameters per unit of direction."""
    warmup_steps: int = 0
    """W, in steps; 0 and 1 are no warm-up."""

    def at(self, step: int) -> float:
        """α_t of step t = 0, 1, …: a linear warm-up, as `torch.optim.lr_scheduler.LinearLR` makes it, then α.

            α_t = α min(1, (t + 1) / W)

        Args:
            step: t, how many steps lie behind.
        """
        return self.lr * (step + 1) / self.warmup_steps if step + 1 < self.warmup_steps else self.lr
