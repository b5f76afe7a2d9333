"""The typed, bounded specs of jobs: the only thing a client can ask with.

A spec is data: numbers within bounds and choices from lists, never code, a path, a URL or an import string. The service
validates it on submission and stores it complete, with every default written out, so that a job means the same
tomorrow.
"""

from __future__ import annotations

from meta_trainer.specs.base import (
    ACTIVATIONS,
    Activation,
    BaselineName,
    DatasetName,
    Init,
    MetaLoss,
    Name,
    Positive,
    Reference,
    RuleSpec,
    Score,
    Seed,
    Spec,
)
from meta_trainer.specs.evaluation import EvaluationSpec
from meta_trainer.specs.meta_training import (
    MetaOptimizerSpec,
    MetaTrainingSpec,
    TricksSpec,
    UnrollSpec,
    ValidationSpec,
)
from meta_trainer.specs.presets import PRESETS, RECOMMENDED, merge
from meta_trainer.specs.tasks import TaskSpec

__all__ = [
    "ACTIVATIONS",
    "PRESETS",
    "RECOMMENDED",
    "Activation",
    "BaselineName",
    "DatasetName",
    "EvaluationSpec",
    "Init",
    "MetaLoss",
    "MetaOptimizerSpec",
    "MetaTrainingSpec",
    "Name",
    "Positive",
    "Reference",
    "RuleSpec",
    "Score",
    "Seed",
    "Spec",
    "TaskSpec",
    "TricksSpec",
    "UnrollSpec",
    "ValidationSpec",
    "merge",
]
