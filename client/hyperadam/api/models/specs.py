"""What a spec may be made of, and what would become of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hyperadam.api.decode import Record


@dataclass(frozen=True, kw_only=True)
class Cost(Record):
    """What a job takes: estimates from its spec alone (docs/performance.md has measured them)."""

    n_updates: int
    """Updates of Θ; 0 of an evaluation."""
    n_learner_steps: int
    core_seconds: float
    n_parallel: int
    """Cores that the job can make use of."""
    memory_bytes: int
    """Of each of its processes."""
    seconds: float
    """On the cores that the server knows of."""


@dataclass(frozen=True, kw_only=True)
class Preset(Record):
    """A named starting point of a spec."""

    name: str
    kind: str
    """The kind of job that it begins; `tasks`: the field of that name of a meta-training."""
    purpose: str
    spec: Mapping[str, Any]
    """Complete."""
    cost: Cost | None = None


@dataclass(frozen=True, kw_only=True)
class Registered(Record):
    """What a registered dataset has beside a built-in one."""

    sha256: str
    """Of its file."""
    n_bytes: int
    owner: str
    """Name of the API key that registered it."""
    project: str = "default"
    created_at: datetime
    used_at: datetime
    """When a job that names it was submitted last, or it was registered."""


@dataclass(frozen=True, kw_only=True)
class Dataset(Record):
    """A dataset that a spec may name."""

    name: str
    title: str
    available: bool | None = None
    """None: the server does not see where its trainers read data."""
    how_to_get: str | None = None
    shape: tuple[int, ...] = ()
    """Of one example."""
    targets: str = "labels"
    """`labels`, or `numbers` to predict."""
    n_classes: int = 0
    """Of numbers, how many there are of each example."""
    n_examples: Mapping[str, int] = field(default_factory=dict)
    """By split."""
    registered: Registered | None = None
    """None of a built-in one."""


@dataclass(frozen=True, kw_only=True)
class Suite(Record):
    """A named set of tasks that evaluations run."""

    name: str
    title: str
    learners: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskKind(Record):
    """A kind of task, whose fields are those of its model in the server's `/openapi.json`."""

    kind: str
    model: str
    purpose: str
    trainable: bool = True
    """False: evaluations alone have it."""


@dataclass(frozen=True, kw_only=True)
class TaskCatalog(Record):
    """What can be learned, on what, and beside what."""

    tasks: tuple[TaskKind, ...] = ()
    families: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    suites: tuple[Suite, ...] = ()
    baselines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpecMistake(Record):
    """A field for which a job would be refused."""

    field: str
    message: str


@dataclass(frozen=True, kw_only=True)
class DryRun(Record):
    """What would become of a job that was not submitted."""

    accepted: bool
    preset: str | None = None
    notes: tuple[str, ...] = ()
    spec: Mapping[str, Any] | None = None
    """Complete; None where it would be refused."""
    cost: Cost | None = None
    errors: tuple[SpecMistake, ...] = ()
