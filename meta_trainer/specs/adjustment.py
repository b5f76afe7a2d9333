"""What is changed in the Θ that a job starts from."""

from __future__ import annotations

from pydantic import Field

from meta_trainer.specs.base import Spec


class AdjustmentSpec(Spec):
    """Numbers that act on many of a Θ at once; as they stand here, they change nothing.

    Memory, tilt and response are for rule `hyperadam`, both lengths for `hyperadam-tensor`. They
    are for what updates of Θ do not move, or move too far, and a study of a few numbers finds: see
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

    length: float = Field(default=1.0, gt=0, le=100, exclude_if=lambda value: value == 1)
    """Factor of the length of all steps."""
    length_kept: float = Field(default=1.0, ge=0, le=1, exclude_if=lambda value: value == 1)
    """How much is kept of what training made of the length of steps; 0: nothing, so that it is that
    of an untrained start."""

    @property
    def is_of_length(self) -> bool:
        """Whether a length is changed."""
        return (self.length, self.length_kept) != (1, 1)

    @property
    def is_of_candidates(self) -> bool:
        """Whether memory, tilt or response is changed."""
        return (self.memory, self.tilt, self.response) != (0, 0, 1)

    @property
    def changes_nothing(self) -> bool:
        return self == AdjustmentSpec()
