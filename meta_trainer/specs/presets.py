"""Named starting points of a meta-training, and how fields are laid over them."""

from __future__ import annotations

from typing import Any, Final

RECOMMENDED_RULE: Final[dict[str, Any]] = {
    "kind": "hyperadam",
    "normalization": "rms",
    "norm_epsilon": 0.0,
    "squash": "asinh",
}
"""What a job's `rule` is laid over: norms that do not depend on the number of coordinates."""

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "custom": {},
    "quick": {
        "task": {"activations": ["sigmoid", "relu"]},
        "n_learners": 4,
        "n_episodes": 10,
        "validation": {"every_episodes": 5, "n_learners": 2},
    },
    "default": {"task": {"dataset": "mnist", "activations": ["sigmoid", "relu", "elu", "tanh"]}},
    "paper": {
        "rule": {"normalization": "euclidean", "norm_epsilon": 1e-16, "squash": "none"},
        "init": "paper",
        "task": {"dataset": "mnist"},
        "meta_optimizer": {"rate": 1e-4, "schedule": "constant", "warmup_updates": 0},
        "n_learners": 1,
        "chunk_size": 1,
    },
}
"""Named starting points; `{"preset": "quick", "seed": 3}` is the preset with the other fields laid over it."""


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, object by object."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
