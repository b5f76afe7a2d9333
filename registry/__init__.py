"""Versions of Θ and the records of the runs that made them: one contract, an MLflow backend and an
in-memory one."""

from registry.connect import connect
from registry.contract import Registry
from registry.errors import (
    AliasMoved,
    AliasNotFound,
    AliasProtected,
    ArtifactNotFound,
    OptimizerNotFound,
    RegistryError,
    RunNotFound,
    VersionArchived,
    VersionInUse,
    VersionNotFound,
)
from registry.records import (
    AliasChange,
    ArtifactInfo,
    Evaluation,
    MetricPoint,
    RunStatus,
    Version,
    VersionAction,
    VersionChange,
)

__all__ = [
    "AliasChange",
    "AliasMoved",
    "AliasNotFound",
    "AliasProtected",
    "ArtifactInfo",
    "ArtifactNotFound",
    "Evaluation",
    "MetricPoint",
    "OptimizerNotFound",
    "Registry",
    "RegistryError",
    "RunNotFound",
    "RunStatus",
    "Version",
    "VersionAction",
    "VersionArchived",
    "VersionChange",
    "VersionInUse",
    "VersionNotFound",
    "connect",
]
