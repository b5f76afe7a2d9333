"""The two training tricks of the paper."""

from __future__ import annotations

from pydantic import Field

from meta_trainer.specs.base import Spec


class TricksSpec(Spec):
    """The two training tricks of Section 4, Eq. (9); a range or dimension of 0 turns one off."""

    random_scaling: float = Field(default=3.0, ge=0, le=10)
    """RS: c = exp(U(−r, r)) for each coordinate of the learner."""
    convex_dimension: int = Field(default=20, ge=0, le=1000)
    """CC: dimension of the convex function added to the loss."""
    convex_scaling: float = Field(default=1.0, ge=0, le=10)
    """RS for the coordinates of the convex function."""
    plain_fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of the chunks of every episode that run without RS (rounded to whole chunks, all in
    turn)."""
