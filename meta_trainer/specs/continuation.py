"""Where a meta-training goes on that another one left off."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meta_trainer.specs.base import Spec


class ContinueSpec(Spec):
    """An ended meta-training, and which of its checkpoints."""

    job: str = Field(pattern=r"^job_[a-z0-9]{1,64}$")
    """Its id."""
    checkpoint: Literal["newest", "best"] | Annotated[int, Field(ge=1)] = "newest"
    """The newest; that of the best validation; or the one of this update. Kept as the number of its
    update."""
