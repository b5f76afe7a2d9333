"""Two versions side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperadam.api.decode import Record
from hyperadam.api.models.versions import Version


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
