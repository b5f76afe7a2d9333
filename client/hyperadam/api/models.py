"""What the REST API answers with, typed. Times are aware and in UTC; sizes are in bytes, durations
in seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hyperadam.api.decode import Record

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

    optimizer: str
    number: int
    sha256: str

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
    starts_in_seconds: float | None = None
    """Estimate for a queued job."""
    retry_at: datetime | None = None
    """When the next attempt may start, after one that was lost."""
    priority: int = 0
    deadline: datetime | None = None
    cloned_from: str | None = None
    """Id of the job whose spec this one began from."""
    actor: str | None = None
    """Name of the key that submitted it."""

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


@dataclass(frozen=True, kw_only=True)
class MetricPoint(Record):
    """One value of one series."""

    step: int
    value: float | None
    """None: not finite."""
    time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MetricSeries:
    """One metric of a job, in the order of steps."""

    name: str
    points: tuple[MetricPoint, ...]

    @property
    def steps(self) -> list[int]:
        return [point.step for point in self.points]

    @property
    def values(self) -> list[float]:
        """NaN where the value was not finite."""
        return [math.nan if point.value is None else point.value for point in self.points]


@dataclass(frozen=True, kw_only=True)
class Artifact(Record):
    """A file of a job's result."""

    path: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """What a job left behind; `raw` has all of its `result.json`."""

    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MetaTrainingResult(Result):
    """The version of Θ that a meta-training job registered, and how good it was on the validation
    tasks."""

    optimizer: str
    number: int
    sha256: str
    best_update: int | None = None
    best_validation_loss: float | None = None
    initial_validation_loss: float | None = None
    n_updates: int | None = None
    wall_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationRow(Record):
    """One optimizer on one task: final losses over paired random starts."""

    task: str
    optimizer: str
    kind: str
    """learned or baseline."""
    mean: float | None
    """None: not finite."""
    stderr: float | None = None
    rate: float | None = None
    """Learning rate, tuned on other starts for a baseline."""
    n_diverged: int = 0
    n_starts: int | None = None
    finals: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EvaluationResult(Result):
    """Versions of Θ beside tuned baselines."""

    suite: str
    dataset: str
    rows: tuple[EvaluationRow, ...]
    measure: str = "final loss"
    """What the rows' means are of: final loss, or seconds per update."""
    horizon: int | None = None
    n_starts: int | None = None


@dataclass(frozen=True, kw_only=True)
class ContinuedFrom(Record):
    """A checkpoint that a training went on from."""

    job_id: str
    update: int


@dataclass(frozen=True, kw_only=True)
class Lineage(Record):
    """Where a version comes from; of an uploaded one, what its file says."""

    source: str
    """job or upload."""
    job_id: str | None = None
    parent: str | None = None
    """The version that the training started from, as `name@number`; None: a fresh Θ."""
    parent_sha256: str | None = None
    continued_from: ContinuedFrom | None = None
    """The checkpoint of another job that the training went on from."""
    datasets: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints by name."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Versions of the server's software and of the libraries beneath it."""


@dataclass(frozen=True, kw_only=True)
class AttachedEvaluation(Record):
    """What an evaluation found out about a version, in short."""

    job_id: str
    evaluated_at: datetime
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Version(Record):
    """One immutable Θ under an optimizer's name, with what is known and said about it."""

    optimizer: str
    number: int
    sha256: str
    """Digest of the whole Θ file."""
    size_bytes: int
    created_at: datetime
    job_id: str | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    lineage: Lineage | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """What training measured, and means of the newest full evaluations as `suite/task`; None: not
    finite."""
    evaluations: tuple[AttachedEvaluation, ...] = ()
    """Oldest first."""

    def __str__(self) -> str:
        return f"{self.optimizer}@{self.number}"


@dataclass(frozen=True, kw_only=True)
class Optimizer(Record):
    """A name in the registry that has at least one version."""

    name: str
    latest: Version
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Alias(Record):
    """A movable name for a version."""

    alias: str
    version: int
    protected: bool = False
    """Whether only a promotion rule moves it."""


@dataclass(frozen=True, kw_only=True)
class AliasChange(Record):
    """One entry of an alias's history."""

    alias: str
    actor: str
    changed_at: datetime
    old_version: int | None = None
    new_version: int | None = None
    reason: str = ""
    protected: bool = False


@dataclass(frozen=True, kw_only=True)
class Aliases(Record):
    """The aliases of one optimizer, and every change of them."""

    items: tuple[Alias, ...]
    history: tuple[AliasChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Difference(Record):
    """One field that differs between two versions; None where it is missing."""

    field: str
    left: Any = None
    right: Any = None


@dataclass(frozen=True, kw_only=True)
class MetricComparison(Record):
    """One metric of both versions."""

    metric: str
    left: float | None = None
    right: float | None = None


@dataclass(frozen=True, kw_only=True)
class TaskComparison(Record):
    """What evaluations say of both versions on one task; None where there is none."""

    task: str
    left: Mapping[str, Any] | None = None
    right: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationComparison(Record):
    """Evaluations of both versions with the same settings, hence from the same starts."""

    settings: Mapping[str, Any]
    tasks: tuple[TaskComparison, ...]
    left_job_id: str | None = None
    right_job_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison(Record):
    """Two versions side by side."""

    left: Version
    right: Version
    spec: tuple[Difference, ...] = ()
    lineage: tuple[Difference, ...] = ()
    metrics: tuple[MetricComparison, ...] = ()
    evaluations: tuple[EvaluationComparison, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Readiness(Record):
    """Whether the server can do its work, and what keeps it from it."""

    ready: bool
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ApiKey(Record):
    """An API key, without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    prefix: str | None = None
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NewApiKey(ApiKey):
    """An API key that was just made."""

    key: str = field(repr=False)
    """What its holder sends; never shown again."""
