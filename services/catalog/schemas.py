"""The wire: presets and tasks, as in docs/rest.md."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class CostAnswer(BaseModel):
    """What a job takes: estimates from its spec alone (docs/performance.md has measured them)."""

    model_config = ConfigDict(from_attributes=True)

    n_updates: int
    """Updates of Θ; of a study, of all its trials; 0 of an evaluation."""
    n_learner_steps: int
    """Steps of single learners, those of validation and tuning included."""
    core_seconds: float
    """Of one core."""
    n_parallel: int
    """Cores that the job can make use of."""
    memory_bytes: int
    """Of each of its processes."""
    seconds: float
    """On the cores that this service knows of; where it knows of none, on one."""


class PresetAnswer(BaseModel):
    """A named starting point."""

    name: str
    kind: Literal["meta-training", "study", "tasks"]
    """The kind of job that it begins; `tasks`: the field of that name of a meta-training."""
    purpose: str
    """What it is for."""
    cost: CostAnswer | None
    """Null of `tasks`, which are no whole job."""
    spec: dict[str, Any]
    """Complete: every default written out."""


class PresetList(BaseModel):
    items: list[PresetAnswer]


class OriginAnswer(BaseModel):
    """The distribution that an operator installed something with."""

    distribution: str
    version: str


class RuleAnswer(BaseModel):
    """An update rule whose Θ can be meta-trained."""

    kind: str
    inits: list[str]
    """What its Θ may start as; the first is the usual one."""
    purpose: str
    installed: OriginAnswer | None = None
    """Null of the service's own."""


class TaskKindAnswer(BaseModel):
    """A kind of task, whose fields are those of its model in `/openapi.json`."""

    kind: str
    model: str
    purpose: str
    trainable: bool
    """False: evaluations alone have it."""
    installed: OriginAnswer | None = None
    """Null of the service's own."""


class SuiteAnswer(BaseModel):
    """A named set of tasks that evaluations run."""

    name: str
    title: str
    learners: list[str]
    may_decide: bool
    """Whether a promotion or a study may choose a Θ by it."""


class BrokenAnswer(OriginAnswer):
    """An entry point that was left out."""

    group: str
    kind: str
    problem: str


class TaskCatalog(BaseModel):
    """What can be learned, on what, and beside what."""

    rules: list[RuleAnswer]
    tasks: list[TaskKindAnswer]
    families: list[str]
    """The families of a task distribution, as fields of `tasks`."""
    networks: list[str]
    """Of tasks of the kind `network`."""
    suites: list[SuiteAnswer]
    baselines: list[str]
    broken: list[BrokenAnswer] = []
    """What an operator installed and could not be loaded."""


class DryRunAnswer(BaseModel):
    """What would become of a job that is not submitted."""

    accepted: bool
    """Whether the same request without `dry_run` would be taken."""
    preset: str | None
    """What the spec begins with; null where it begins with nothing but defaults."""
    notes: list[str]
    """What was decided for the client, in sentences."""
    spec: dict[str, Any] | None
    """Complete, references pinned; null where it would be refused."""
    cost: CostAnswer | None
    errors: list[FieldErrorAnswer]
    """The fields for which it would be refused."""


class FieldErrorAnswer(BaseModel):
    field: str = Field(examples=["spec.unroll.horizon"])
    message: str
