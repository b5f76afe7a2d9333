"""Examples of fields whose default is null or empty, or that have none, by object and name.

Every other field's example is its default. A test holds that each field has one, and that it is
accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "ChoiceSpec": {"labels": ["short", "long"]},
    "ContinueSpec": {"job": "job_mfrggzdfmztwq2lk"},
    "ESSpec": {"tensors": ["weight_cell.bias"]},
    "ESSingleSpec": {"tensors": ["weight_cell.bias"]},
    "PESSpec": {"tensors": ["weight_cell.bias"]},
    "EvaluationSpec": {
        "optimizers": ["hyperadam@latest"],
        "learners": ["relu", "tanh"],
        "rate": {"lr": 0.01},
    },
    "LimitsSpec": {"wall_seconds": 3600},
    "MLPTaskSpec": {"side": 14},
    "MetaOptimizerSpec": {"clip_learners": 4.0, "tensors": ["weight_cell.bias"]},
    "MetaTrainingSpec": {
        "parent": "hyperadam@latest",
        "continue_from": {"job": "job_mfrggzdfmztwq2lk", "checkpoint": "best"},
        "tasks": {"preset": "tiny"},
        "promote": {"alias": "champion", "if_better_on": "table1"},
    },
    "Rate": {"lr": 0.005},
    "RateChanges": {
        "lr": 0.01,
        "warmup_steps": 20,
        "warmup_share": 0.1,
        "decay_after": 50,
        "rest": 0.2,
        "base_fan_in": 784,
        "least_fan_in": 16,
        "base_places": 9,
        "weight_decay": 0.01,
    },
    "ResourcesSpec": {"custom": {"fast-disk": 1}},
    "StudySpec": {
        "space": {"meta_optimizer.rate": {"kind": "log-uniform", "low": 3e-4, "high": 1e-2}},
        "seeds": [0, 1],
        "warm_start": "job_mfrggzdfmztwq2lk",
    },
    "TBPTTSpec": {"truncation": 10, "loss_limit": 2.0, "adjoint_limit": 1.0},
    "TaskDistribution": {
        "horizon": [40, 300],
        "random_scaling": [0, 3],
        "convex_scaling": [0, 1],
        "validation": [{"kind": "mlp", "hidden": [32, 32]}],
    },
    "UnrollSpec": {"curriculum": {"initial": 20, "growth": 0.5}},
    "ValidationSpec": {"horizons": [100, 400], "lengths": [0.7, 1.0, 1.4]},
}
