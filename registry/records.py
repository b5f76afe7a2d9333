"""What a registry keeps: points of series, artifacts, versions, evaluations, changes of aliases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

RunStatus = Literal["running", "finished", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class MetricPoint:
    """One value of one series. `value` may be NaN or infinite; it comes back as it was written."""

    name: str
    value: float
    step: int
    time: datetime
    """With time zone (UTC), to the millisecond."""


@dataclass(frozen=True, kw_only=True)
class ArtifactInfo:
    path: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one evaluation found out about a version, in short."""

    key: str
    """Of the job that did it; `job:part` where it did several."""
    evaluated_at: datetime
    """With time zone (UTC), to the millisecond."""
    summary: Mapping[str, Any]
    """JSON of the evaluation's own making, without NaN."""

    @property
    def job_id(self) -> str:
        """The job that did it."""
        return self.key.partition(":")[0]


@dataclass(frozen=True, kw_only=True)
class Version:
    """One immutable Θ under an optimizer's name."""

    optimizer: str
    number: int
    sha256: str
    """Digest of the whole Θ file; the ETag of its download."""
    size_bytes: int
    created_at: datetime
    run_id: str | None
    """The run that made it; None for an uploaded one."""
    manifest: Mapping[str, Any]
    """The Θ file's own manifest."""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()
    """Oldest first."""
    aliases: tuple[str, ...] = ()
    """Sorted. `latest` is not an alias but always means the highest number."""
    archived: bool = False
    """Whether it is in no list and never `latest`; whoever names it has it."""
    signature: str | None = None
    """By the operator, as `hyperadam.signatures.Signature.as_text` writes it; None: not signed."""
    damage: str | None = None
    """What is wrong with its stored row, where that cannot be read; the manifest is empty then."""


@dataclass(frozen=True, kw_only=True)
class AliasChange:
    """One entry of an alias's history."""

    alias: str
    old_version: int | None
    """None: the alias was new."""
    new_version: int | None
    """None: the alias was deleted."""
    actor: str
    reason: str
    changed_at: datetime
    protected: bool = False
    """Whether from then on only `promote` moves it."""
    rule: Mapping[str, Any] | None = None
    """By which rule alone, where it has one of its own: JSON, the service's matter."""


VersionAction = Literal["archived", "restored", "deleted"]


@dataclass(frozen=True, kw_only=True)
class VersionChange:
    """One entry of the history of what became of versions."""

    number: int
    action: VersionAction
    sha256: str
    """Of the version: what is left of a deleted one."""
    actor: str
    reason: str
    changed_at: datetime


THETA_FOLDER: Final = "theta"
"""The files of versions, among the artifacts of a run."""


def theta_path(sha256: str) -> str:
    """Where the file of a version lies among the artifacts of the run that made it."""
    return f"{THETA_FOLDER}/{sha256}.safetensors"
