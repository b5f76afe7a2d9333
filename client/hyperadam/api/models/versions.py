"""Optimizers, their versions, and where a version comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hyperadam.api.decode import Record
from hyperadam.api.fields import Digest, Name, Number, Size


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

    optimizer: Name
    number: Number
    sha256: Digest
    """Digest of the whole Θ file."""
    size_bytes: Size
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
    archived: bool = False
    """Whether it is in no list and never `latest`."""
    signature: Mapping[str, Any] | None = None
    """By the operator of the server: `hyperadam.signatures` checks it."""
    damage: str | None = None
    """What is wrong with the server's row of it, where that cannot be read."""

    def __str__(self) -> str:
        return f"{self.optimizer}@{self.number}"


@dataclass(frozen=True, kw_only=True)
class Optimizer(Record):
    """A name in the registry that has at least one version."""

    name: Name
    latest: Version
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class VersionChange(Record):
    """One archiving, restoring or deletion of a version."""

    number: Number
    action: str
    """archived, restored or deleted."""
    sha256: Digest
    """Of the version: what is left of a deleted one."""
    actor: str
    changed_at: datetime
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class VersionHistory(Record):
    """What became of an optimizer's versions, oldest first."""

    items: tuple[VersionChange, ...]
