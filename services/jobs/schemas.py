"""The wire: what requests and answers about jobs look like, as in docs/rest.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.jobs.lifecycle import State
from services.request_model import RequestModel
from services.webhooks.hosts import MAX_URL_CHARS

Kind = Literal["meta-training", "evaluation", "study"]
Text = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
LabelName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$")
]
Priority = Annotated[int, Field(ge=-100, le=100)]
MAX_LABELS: Final = 32
MAX_SPEC_DEPTH: Final = 32


def _check_depth(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec, if its objects and lists are nested no deeper than libraries that walk it by
    recursion can follow."""
    level: list[Any] = [spec]
    for _ in range(MAX_SPEC_DEPTH):
        level = _list_containers(level)
        if not level:
            return spec
    raise ValueError(f"nested deeper than {MAX_SPEC_DEPTH} levels")


def _list_containers(level: Sequence[Any]) -> list[Any]:
    """The objects and lists that stand directly in those of one level."""
    containers: list[Any] = []
    for container in level:
        members = container.values() if isinstance(container, dict) else container
        containers += [member for member in members if isinstance(member, (dict, list))]
    return containers


SpecContent = Annotated[dict[str, Any], AfterValidator(_check_depth)]


class JobRequest(RequestModel):
    """What to do. `spec` is checked by the model of its kind, after its preset is laid under it.

    Fields that came later are left out of a dump where they say nothing: digests of earlier
    requests stay the same.
    """

    kind: Kind
    name: Text | None = None
    labels: dict[LabelName, Text] = Field(default_factory=dict, max_length=MAX_LABELS)
    spec: SpecContent = Field(default_factory=dict)
    priority: Priority = Field(default=0, exclude_if=lambda value: value == 0)
    """The highest starts first."""
    deadline: AwareDatetime | None = Field(default=None, exclude_if=lambda value: value is None)
    """A job that has not ended by then is stopped, with a checkpoint, and fails."""
    webhook: str | None = Field(
        default=None, max_length=MAX_URL_CHARS, exclude_if=lambda value: value is None
    )
    """URL on a host of the operator's list that is told of each end of the job (docs/webhooks.md).
    It is never shown again."""


class CloneRequest(RequestModel):
    """What is to be different in a copy of a job; what is left out stays (but the deadline, which
    is not copied)."""

    name: Text | None = None
    labels: dict[LabelName, Text] | None = Field(default=None, max_length=MAX_LABELS)
    priority: Priority | None = None
    deadline: AwareDatetime | None = None
    spec: SpecContent = Field(default_factory=dict)
    """A JSON merge patch (RFC 7396) of the job's complete spec: null takes a field back to its
    default."""


class EditRequest(RequestModel):
    """A JSON merge patch (RFC 7396) of what may change about a job at any time."""

    name: Text | None = None
    labels: dict[LabelName, Text | None] = Field(default_factory=dict, max_length=2 * MAX_LABELS)
    """Null removes a label."""
    priority: Priority = 0
    deadline: AwareDatetime | None = None


class Answer(BaseModel):
    """Built from rows by attribute."""

    model_config = ConfigDict(from_attributes=True)


class ErrorAnswer(Answer):
    """An update of Θ that failed also has `update`, `episode`, `period` and `seed`, from which it
    can be seen again."""

    model_config = ConfigDict(from_attributes=True, extra="allow")

    type: str
    message: str


class VersionAnswer(Answer):
    optimizer: str
    number: int
    sha256: str


class JobAnswer(Answer):
    id: str
    kind: Kind
    name: str | None
    labels: dict[str, str]
    state: State
    spec: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempt: int
    """Number of the newest attempt; 0 while there was none."""
    run_id: str | None
    waiting_reason: str | None = None
    """Why a job does not go on: what it needs and what there is, that its key was revoked or
    has expired, or since when its driver gives no sign of life."""
    progress: float
    eta_seconds: float | None
    error: ErrorAnswer | None
    version: VersionAnswer | None
    queue_position: int | None = None
    """1: the next to start; null when not queued."""
    starts_in_seconds: float | None = None
    """Estimate for a queued job, from those of the active ones and from the jobs that succeeded
    last; null: unknown."""
    priority: int
    deadline: datetime | None
    cloned_from: str | None
    """Id of the job whose spec this one began from."""
    retry_at: datetime | None
    """When the next attempt may start after one that was lost; null when none waits for that."""
    actor: str
    actor_full_name: str | None = None
    """What the issuer calls the person who submitted it; null for an API key."""
    project: str
    notes: list[str] = []
    """What was decided for the client, in sentences; only in the answer to a submission."""


class JobList(BaseModel):
    items: list[JobAnswer]
    next_cursor: str | None


class EventAnswer(Answer):
    id: int
    type: str
    time: datetime
    attempt: int
    data: dict[str, Any]


class EventList(BaseModel):
    items: list[EventAnswer]
    next_cursor: str | None


class MetricNames(BaseModel):
    names: list[str]


class MetricAnswer(BaseModel):
    step: int
    value: float | None
    """Null when not finite."""
    time: datetime


class MetricList(BaseModel):
    items: list[MetricAnswer]
    next_cursor: str | None
    """Null after the last page, and when the series was thinned out (`points`)."""


class LogAnswer(BaseModel):
    text: str
    next: int
    """Offset to go on from, in bytes."""
    attempt: int


class AttemptAnswer(Answer):
    number: int
    state: Literal["starting", "running", "succeeded", "failed", "stopped", "lost"]
    started_at: datetime | None
    ended_at: datetime | None
    error: ErrorAnswer | None


class AttemptList(BaseModel):
    items: list[AttemptAnswer]
    next_cursor: str | None = None


class CheckpointAnswer(BaseModel):
    update: int
    size_bytes: int


class CheckpointList(BaseModel):
    items: list[CheckpointAnswer]
    next_cursor: str | None = None


class ArtifactAnswer(Answer):
    path: str
    """Below `/result/`."""
    size_bytes: int


class ResultAnswer(BaseModel):
    """`result.json`, with the list of the other files."""

    model_config = ConfigDict(extra="allow")

    artifacts: list[ArtifactAnswer]
