"""The rate of a learned optimizer, step by step: what is deployed, evaluated and meta-trained has one and the same."""

from __future__ import annotations

from typing import NamedTuple


def warmed(lr: float, warmup_steps: int, step: int) -> float:
    """α_t of step t = 0, 1, …: a linear warm-up, as `torch.optim.lr_scheduler.LinearLR` makes it, then α.

        α_t = α min(1, (t + 1) / W)

    Args:
        lr: α.
        warmup_steps: W; 0 and 1 are no warm-up.
        step: t, how many steps lie behind.
    """
    return lr * (step + 1) / warmup_steps if step + 1 < warmup_steps else lr


class Rate(NamedTuple):
    """α and W, which Θ is trained with, carries along and is run with."""

    lr: float
    """α, in units of the parameters per unit of direction."""
    warmup_steps: int = 0
    """W, in steps."""

    def at(self, step: int) -> float:
        """α_t; see `warmed`."""
        return warmed(self.lr, self.warmup_steps, step)
