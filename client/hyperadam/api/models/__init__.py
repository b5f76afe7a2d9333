"""What the REST API answers with, typed. Times are aware and in UTC; sizes are in bytes, durations
in seconds.

Each kind of thing has a file of its own.
"""

from __future__ import annotations

from hyperadam.api.models.access import ApiKey, NewApiKey, Project, Readiness
from hyperadam.api.models.aliases import Alias, AliasChange, Aliases
from hyperadam.api.models.comparisons import (
    Comparison,
    Difference,
    EvaluationComparison,
    MetricComparison,
    TaskComparison,
)
from hyperadam.api.models.jobs import (
    Attempt,
    Checkpoint,
    Event,
    Job,
    JobError,
    LogChunk,
    VersionRef,
)
from hyperadam.api.models.metrics import MetricPoint, MetricSeries
from hyperadam.api.models.results import (
    Artifact,
    EvaluationResult,
    EvaluationRow,
    MetaTrainingResult,
    Result,
)
from hyperadam.api.models.specs import (
    Cost,
    Dataset,
    DryRun,
    Preset,
    Registered,
    SpecMistake,
    Suite,
    TaskCatalog,
    TaskKind,
)
from hyperadam.api.models.versions import (
    AttachedEvaluation,
    ContinuedFrom,
    Lineage,
    Optimizer,
    Version,
    VersionChange,
    VersionHistory,
)

__all__ = [
    "Alias",
    "AliasChange",
    "Aliases",
    "ApiKey",
    "Artifact",
    "AttachedEvaluation",
    "Attempt",
    "Checkpoint",
    "Comparison",
    "ContinuedFrom",
    "Cost",
    "Dataset",
    "Difference",
    "DryRun",
    "EvaluationComparison",
    "EvaluationResult",
    "EvaluationRow",
    "Event",
    "Job",
    "JobError",
    "Lineage",
    "LogChunk",
    "MetaTrainingResult",
    "MetricComparison",
    "MetricPoint",
    "MetricSeries",
    "NewApiKey",
    "Optimizer",
    "Preset",
    "Project",
    "Readiness",
    "Registered",
    "Result",
    "SpecMistake",
    "Suite",
    "TaskCatalog",
    "TaskComparison",
    "TaskKind",
    "Version",
    "VersionChange",
    "VersionHistory",
    "VersionRef",
]
