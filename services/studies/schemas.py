"""The wire: what requests and answers about studies look like, as in docs/rest.md."""

from __future__ import annotations

from typing import Annotated, Self

from hyperadam.names import NAME_PATTERN, check_name
from pydantic import AfterValidator, BaseModel, Field, model_validator

from services.request_model import RequestModel


class StudyLimits(RequestModel):
    """What may be changed while a study runs; what is left out stays."""

    trials: int | None = Field(default=None, ge=1, le=10_000)
    """Meta-trainings in all."""
    parallel_trials: int | None = Field(default=None, ge=1, le=256)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.trials is None and self.parallel_trials is None:
            raise ValueError("trials or parallel_trials must be given")
        return self


class StudyExtension(RequestModel):
    """How far a study that has ended is to go on."""

    trials: int = Field(ge=1, le=10_000)
    """Meta-trainings in all: more than there are."""


class StudyControl(BaseModel):
    """What was asked of a study since it was submitted; null: as its spec says."""

    trials: int | None
    parallel_trials: int | None
    stopping: bool
    """Whether it ends when the trials that run are finished."""


class TrialVersionRequest(RequestModel):
    optimizer: Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(check_name)]
    """The name under which the trial's best Θ becomes a version."""
