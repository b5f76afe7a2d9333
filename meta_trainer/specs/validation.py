"""What Θ is chosen by."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator

from meta_trainer.specs.base import Spec
from meta_trainer.specs.distributions import Horizon

LengthFactor = Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)]


class ValidationSpec(Spec):
    """Plain episodes (no RS, no CC) on fixed starts and minibatches; the Θ with the lowest final
    loss is kept."""

    every_episodes: int = Field(default=10, ge=1, le=100_000)
    """Episodes between two validations; the last episode is followed by one, too."""
    n_learners: int = Field(default=4, ge=1, le=256)
    """Learners for each activation of the task."""
    horizons: Annotated[tuple[Horizon, ...], Field(max_length=8)] = ()
    """Steps of a run after which learners are measured, rising; if the list is empty,
    `unroll.horizon` alone. With several, the geometric mean over them counts: a Θ that is best
    after 100 steps need not be so after 1,000."""

    lengths: Annotated[tuple[LengthFactor, ...], Field(max_length=16)] = ()
    """A line search: Θ is measured with all its steps so many times as long, for each of these
    factors, rising, and kept with the best one; training goes on without it. For rules whose Θ says
    how long a step is (`hyperadam-tensor`). If the list is empty, Θ is measured as it is."""

    @field_validator("lengths")
    @classmethod
    def _lengths_rise(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(first >= second for first, second in pairwise(value)):
            raise ValueError(f"lengths must rise, got {list(value)}")
        return value

    @field_validator("horizons")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(first >= second for first, second in pairwise(value)):
            raise ValueError(f"horizons must rise, got {list(value)}")
        return value
