"""What a job does when something goes wrong: how often it is tried, and when a meta-training is
stopped early."""

from __future__ import annotations

from pydantic import Field

from meta_trainer.specs.base import Spec


class JobSpec(Spec):
    """What the specs of all kinds of job have."""

    max_attempts: int = Field(default=5, ge=1, le=1000)
    """Attempts in a row that may fail or be lost without getting further than those before; then
    the job fails. The service may set a lower bound for all jobs."""
    backoff_seconds: float = Field(default=1.0, ge=0, le=3600)
    """Pause before the next attempt; it doubles with each one that gets no further, up to a minute
    or this value."""


class DivergenceSpec(Spec):
    """When a meta-training is stopped before its end, with the best Θ so far as its result."""

    updates: int = Field(default=50, ge=0, le=1_000_000)
    """After so many updates in a row in which more than half of the learners diverged, or whose
    meta-gradient was not finite; 0: never."""
    validations: int = Field(default=5, ge=0, le=100_000)
    """After so many validations in a row whose loss is above `factor` times that of the initial Θ;
    0: never."""
    factor: float = Field(default=10.0, gt=1, le=1e12)
    """How many times the loss of the initial Θ is too much for a validation."""
