"""The typed, bounded specs of jobs: the only thing a client can ask with.

A spec is data: numbers within bounds and choices from lists, never code, a path, a URL or an import
string. The service validates it on submission and stores it complete, with every default written
out, so that a job means the same tomorrow.
"""

from __future__ import annotations

from meta_trainer.specs.adjustment import AdjustmentSpec
from meta_trainer.specs.base import (
    ACTIVATIONS,
    Activation,
    Architecture,
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
from meta_trainer.specs.baselines import BaselineName
from meta_trainer.specs.continuation import ContinueSpec
from meta_trainer.specs.datasets import DatasetName
from meta_trainer.specs.distributions import DISTRIBUTIONS, TaskDistribution
from meta_trainer.specs.estimators import (
    ESSingleSpec,
    ESSpec,
    EstimatorSpec,
    MixPart,
    MixSpec,
    PESSpec,
    TBPTTSpec,
    parts_of,
)
from meta_trainer.specs.evaluation import EvaluationSpec
from meta_trainer.specs.families import (
    CNNFamily,
    DescribedFamily,
    Family,
    ListedFamily,
    LSTMFamily,
    MLPFamily,
    NetworkFamily,
)
from meta_trainer.specs.faults import DivergenceSpec, JobSpec
from meta_trainer.specs.field_tasks import FieldImageTaskSpec, FieldTaskSpec
from meta_trainer.specs.lineage import check_continuation, check_parent
from meta_trainer.specs.meta_optimizer import MetaOptimizerSpec
from meta_trainer.specs.meta_training import MetaTrainingSpec
from meta_trainer.specs.plain_tasks import (
    CNNTaskSpec,
    DescribedTaskSpec,
    LSTMTaskSpec,
    MLPTaskSpec,
    NetworkTaskSpec,
    PlainTaskSpec,
)
from meta_trainer.specs.presets import PRESETS, RECOMMENDED, merge
from meta_trainer.specs.promotion import PromotionSpec
from meta_trainer.specs.tasks import TaskSpec
from meta_trainer.specs.tricks import TricksSpec
from meta_trainer.specs.unrolls import CurriculumSpec, UnrollSpec
from meta_trainer.specs.unseen_tasks import (
    AnyTaskSpec,
    ImageNetworkTaskSpec,
    LanguageTaskSpec,
)
from meta_trainer.specs.validation import ValidationSpec

__all__ = [
    "ACTIVATIONS",
    "DISTRIBUTIONS",
    "PRESETS",
    "RECOMMENDED",
    "Activation",
    "AdjustmentSpec",
    "AnyTaskSpec",
    "Architecture",
    "BaselineName",
    "CNNFamily",
    "CNNTaskSpec",
    "ContinueSpec",
    "CurriculumSpec",
    "DatasetName",
    "DescribedFamily",
    "DescribedTaskSpec",
    "DivergenceSpec",
    "ESSingleSpec",
    "ESSpec",
    "EstimatorSpec",
    "EvaluationSpec",
    "Family",
    "FieldImageTaskSpec",
    "FieldTaskSpec",
    "ImageNetworkTaskSpec",
    "Init",
    "JobSpec",
    "LSTMFamily",
    "LSTMTaskSpec",
    "LanguageTaskSpec",
    "ListedFamily",
    "MLPFamily",
    "MLPTaskSpec",
    "MetaLoss",
    "MetaOptimizerSpec",
    "MetaTrainingSpec",
    "MixPart",
    "MixSpec",
    "Name",
    "NetworkFamily",
    "NetworkTaskSpec",
    "PESSpec",
    "PlainTaskSpec",
    "Positive",
    "PromotionSpec",
    "Reference",
    "RuleSpec",
    "Score",
    "Seed",
    "Spec",
    "TBPTTSpec",
    "TaskDistribution",
    "TaskSpec",
    "TricksSpec",
    "UnrollSpec",
    "ValidationSpec",
    "check_continuation",
    "check_parent",
    "merge",
    "parts_of",
]
