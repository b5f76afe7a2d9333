"""Datasets on the wire, as in docs/rest.md."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field

from registry.checks import check_text

MAX_TITLE_CHARS: Final = 200


def _plain_title(value: str) -> str:
    return check_text(value, "title", max_chars=MAX_TITLE_CHARS)


Title = Annotated[str, Field(max_length=MAX_TITLE_CHARS), AfterValidator(_plain_title)]


class RegisteredAnswer(BaseModel):
    """What a registered dataset has beside a built-in one."""

    sha256: str
    """Of its file."""
    n_bytes: int
    """Of its file."""
    project: str
    owner: str
    """Name of the API key that registered it."""
    created_at: datetime
    used_at: datetime
    """When a job that names it was submitted last, or it was registered."""


class DatasetAnswer(BaseModel):
    """A dataset that a spec may name."""

    name: str
    title: str
    available: bool | None
    """Null: the data folder is on other machines, and nothing is known of it."""
    how_to_get: str | None
    """What is missing, and the command that gets it; null where it is there."""
    shape: list[int]
    """Of one example: an image's (channels, height, width), or a vector's (features,)."""
    targets: Literal["labels", "numbers"] = "labels"
    """Classes to tell apart, or numbers to predict."""
    n_classes: int
    """Where the targets are numbers, how many there are of each example."""
    n_examples: dict[str, int]
    """By split."""
    registered: RegisteredAnswer | None = None
    """Null of a built-in one."""


class DatasetList(BaseModel):
    items: list[DatasetAnswer]
