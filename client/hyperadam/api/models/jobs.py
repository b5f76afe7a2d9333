"""Jobs, what happens to them and what they leave behind while they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hyperadam.api.decode import Record
from hyperadam.api.fields import Digest, Name, Number

ENDED_STATES: Final = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class JobError(Record):
    """Why a job or an attempt failed; of an update of Θ that failed also where, from which it can
    be seen again."""

    type: str
    message: str
    update: int | None = None
    episode: int | None = None
    period: int | None = None
    seed: int | None = None

    def __str__(self) -> str:
        places: list[str] = []
        for name in ("update", "episode", "period", "seed"):
            value = getattr(self, name)
            if value is not None:
                places.append(f"{name} {value}")

        text = f"{self.type}: {self.message}"
        return f"{text} ({', '.join(places)})" if places else text


@dataclass(frozen=True, kw_only=True)
class VersionRef(Record):
    """The version of Θ that a meta-training job registered."""

    optimizer: Name
    number: Number
    sha256: Digest

    def __str__(self) -> str:
        return f"{self.optimizer}@{self.number}"


@dataclass(frozen=True, kw_only=True)
class Job(Record):
    """A job as it was when the server answered."""

    id: str
    kind: str
    state: str
    """queued, starting, running, pausing, paused, cancelling, expiring, succeeded, failed or
    cancelled."""
    spec: Mapping[str, Any]
    """Complete: every default is written out."""
    created_at: datetime
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int = 0
    run_id: str | None = None
    progress: float | None = None
    """From 0 to 1."""
    eta_seconds: float | None = None
    error: JobError | None = None
    version: VersionRef | None = None
    queue_position: int | None = None
    waiting_reason: str | None = None
    """Why a queued job does not start although there is room."""
    starts_in_seconds: float | None = None
    """Estimate for a queued job."""
    retry_at: datetime | None = None
    """When the next attempt may start, after one that was lost."""
    project: str = "default"
    priority: int = 0
    deadline: datetime | None = None
    cloned_from: str | None = None
    """Id of the job whose spec this one began from."""
    actor: str | None = None
    actor_full_name: str | None = None
    """What the server's issuer calls the person who submitted it; None for an API key."""
    """Name of the key that submitted it."""
    notes: tuple[str, ...] = ()
    """What was decided for the client; only in the answer to a submission."""

    @property
    def ended(self) -> bool:
        """Succeeded, failed or cancelled: nothing more will happen."""
        return self.state in ENDED_STATES


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """Something that happened to a job. Ids count 1, 2, 3, … within the job."""

    id: int
    type: str
    time: datetime
    attempt: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attempt(Record):
    """One try at a job; a retry is a new attempt of the same job."""

    number: int
    state: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: JobError | None = None


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Record):
    """A state of the training that a job can go on from."""

    update: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class LogChunk(Record):
    """A piece of a job's log."""

    text: str
    next: int
    """Where the following piece begins, in bytes."""
    attempt: int | None = None
