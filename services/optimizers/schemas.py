"""Optimizers on the wire (docs/rest.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from meta_trainer.specs.promotion import PromotionSpec
from registry.checks import (
    MAX_DESCRIPTION_CHARS,
    MAX_REASON_CHARS,
    MAX_TAGS,
    check_description,
    check_text,
    merge_tags,
)
from services.projects.tables import PROJECT_PATTERN
from services.request_model import RequestModel

MAX_NUMBER = 2**31 - 1


def _plain_reason(value: str) -> str:
    return check_text(value, "reason", max_chars=MAX_REASON_CHARS)


Reason = Annotated[str, Field(max_length=MAX_REASON_CHARS), AfterValidator(_plain_reason)]


def _plain_tags(changes: dict[str, str | None]) -> dict[str, str | None]:
    merge_tags({}, changes)
    return changes


class ContinuedFrom(BaseModel):
    """A checkpoint that a training went on from."""

    job_id: str
    update: int


class LineageAnswer(BaseModel):
    """Where a version comes from; of an uploaded one, what its file says."""

    source: Literal["job", "upload"]
    job_id: str | None
    parent: str | None
    """The version that the training started from, as `name@number`; null: a fresh Θ."""
    parent_sha256: str | None
    continued_from: ContinuedFrom | None = None
    """The checkpoint of another job that the training went on from."""
    datasets: dict[str, str]
    """Fingerprints by name."""
    code: dict[str, str]
    """Versions of this software and of the libraries beneath it."""
    kernel: str | None = None
    """What ran the rule in training, and on which instruction set, as `fused/AVX512`."""


class AttachedEvaluation(BaseModel):
    """What an evaluation found out about the version, in short."""

    job_id: str
    evaluated_at: datetime
    summary: dict[str, Any]


class SignatureAnswer(BaseModel):
    """The operator's signature of a version: `hyperadam.signatures` says of what."""

    model_config = ConfigDict(from_attributes=True)

    algorithm: str
    key_id: str
    """The first 16 hex digits of the public key's SHA-256."""
    value: str
    """Base64."""


class OptimizerVersionAnswer(BaseModel):
    """One immutable Θ under an optimizer's name, with what is known and said about it."""

    optimizer: str
    number: int
    sha256: str
    size_bytes: int
    created_at: datetime
    job_id: str | None
    """The job that made it; null for one that was uploaded."""
    manifest: dict[str, Any]
    description: str
    tags: dict[str, str]
    aliases: list[str]
    lineage: LineageAnswer
    metrics: dict[str, float | None]
    """By name: what training measured, and means of the newest full evaluations as `suite/task`;
    null: not finite."""
    evaluations: list[AttachedEvaluation]
    """Oldest first."""
    archived: bool = False
    """Whether it is in no list and never `latest`; whoever names it has it."""
    signature: SignatureAnswer | None = None
    """Null where the operator's key has not signed it."""
    damage: str | None = None
    """What is wrong with the stored row, where it cannot be read whole; its manifest, tags and
    results are left out then."""


class OptimizerVersionList(BaseModel):
    items: list[OptimizerVersionAnswer]
    next_cursor: str | None


class OptimizerAnswer(BaseModel):
    name: str
    latest: OptimizerVersionAnswer
    aliases: dict[str, int]
    owner: str | None = None
    """Name of the API key that, beside admins, makes versions of it; null: every key of its
    project does."""
    project: str = "default"
    shared: bool = False
    """Whether all projects may read its versions."""


class OwnerRequest(RequestModel):
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    """Name of an API key, or of several that share it."""
    project: Annotated[str | None, Field(pattern=PROJECT_PATTERN)] = None
    """The project of these keys; null: as it is."""


class SharingRequest(RequestModel):
    shared: bool
    """Whether all projects may read the versions."""


class OwnerAnswer(BaseModel):
    name: str
    owner: str


class OptimizerList(BaseModel):
    items: list[OptimizerAnswer]
    next_cursor: str | None


_NO_TAGS: Final[dict[str, str | None]] = {}


class AnnotationRequest(RequestModel):
    """What people say about a version; what is not named stays."""

    description: Annotated[
        str | None,
        Field(max_length=MAX_DESCRIPTION_CHARS),
        AfterValidator(lambda text: text if text is None else check_description(text)),
    ] = None
    tags: Annotated[
        dict[str, str | None], Field(max_length=MAX_TAGS), AfterValidator(_plain_tags)
    ] = _NO_TAGS
    """Name → value; null removes the tag."""


class Difference(BaseModel):
    """One field that differs; null where it is missing."""

    field: str
    left: Any
    right: Any


class MetricComparison(BaseModel):
    metric: str
    left: float | None
    right: float | None


class TaskComparison(BaseModel):
    """What both evaluations say of one task; null where there is none."""

    task: str
    left: dict[str, Any] | None
    right: dict[str, Any] | None


class EvaluationComparison(BaseModel):
    """Evaluations with the same settings, hence from the same starts; null where a version has none
    such."""

    settings: dict[str, Any]
    left_job_id: str | None
    right_job_id: str | None
    tasks: list[TaskComparison]


class ComparisonAnswer(BaseModel):
    """Two versions side by side."""

    left: OptimizerVersionAnswer
    right: OptimizerVersionAnswer
    spec: list[Difference]
    lineage: list[Difference]
    metrics: list[MetricComparison]
    evaluations: list[EvaluationComparison]


class AliasRequest(RequestModel):
    version: int = Field(ge=1, le=MAX_NUMBER)
    reason: Reason = ""
    protected: Annotated[bool | None, Field(strict=True)] = None
    """True: from now on only a promotion rule moves the alias; false: that is over; null: as it
    is."""
    rule: PromotionSpec | None = None
    """Of a protected alias: the only rule by which promotions move it, as in a spec's `promote`
    (without `alias`); null: as it is."""


class RemovalRequest(RequestModel):
    """Why a version is archived, or restored."""

    reason: Reason = ""


class VersionChangeAnswer(BaseModel):
    number: int
    action: Literal["archived", "restored", "deleted"]
    sha256: str
    actor: str
    reason: str
    changed_at: datetime


class VersionHistory(BaseModel):
    """What became of versions, oldest first; deleted ones stand here alone."""

    items: list[VersionChangeAnswer]
    next_cursor: str | None = None


class AliasAnswer(BaseModel):
    alias: str
    version: int
    protected: bool
    rule: dict[str, Any] | None = None
    """Of its own, by which alone promotions move it; null: a job says one."""


class AliasChangeAnswer(BaseModel):
    alias: str
    old_version: int | None
    new_version: int | None
    actor: str
    reason: str
    changed_at: datetime
    protected: bool
    rule: dict[str, Any] | None = None


class AliasList(BaseModel):
    """The aliases now, and a page of their changes, oldest first."""

    items: list[AliasAnswer]
    history: list[AliasChangeAnswer]
    next_cursor: str | None = None
    """Of the history; null after its last page."""
