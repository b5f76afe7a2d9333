"""What is changed in the Θ that a job starts from."""

from __future__ import annotations

from pydantic import Field

from meta_trainer.specs.base import Spec


class AdjustmentSpec(Spec):
    """Three numbers that act on all candidates of a HyperAdam at once; as they stand here, they
    change nothing.

    For what a handful of updates of Θ does not move, and a study of a few numbers finds: see
    `meta_trainer.training.adjustment`.
    """

    memory: float = Field(default=0.0, ge=-10, le=10)
    """Added to the logits of all β_j, the AdamCell's biases: the time constants τ_j = 1 / (1 − β_j)
    of first moments become 1 + (τ_j − 1) e^memory where the state says nothing. Below 0 they forget
    sooner."""
    tilt: float = Field(default=0.0, ge=-10, le=10)
    """The WeightCell's bias of candidate j is multiplied by e^(tilt x_j), x_j from −1/2 of the
    first to 1/2 of the last. An ensemble of Adams is sorted by memory: below 0, those that forget
    soon have more of the say."""
    response: float = Field(default=1.0, ge=0, le=100)
    """Factor of the WeightCell's weights: how much the mixture heeds the state; 0: not at all."""

    @property
    def changes_nothing(self) -> bool:
        return self == AdjustmentSpec()
