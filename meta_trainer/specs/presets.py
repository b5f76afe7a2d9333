"""Where a meta-training's spec begins: what goes well with its rule, then a named preset, then what
was given.

Everything here is JSON, before validation; `meta_trainer.specs.meta_training` says what the fields
mean.
"""

from __future__ import annotations

from typing import Any, Final

from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.rates import gather_rates

DEFAULT_KIND: Final = "hyperadam"

RECOMMENDED: Final[dict[str, dict[str, Any]]] = {
    "hyperadam": {
        "rule": {
            "kind": "hyperadam",
            "normalization": "rms",
            "norm_epsilon": 0.0,
            "squash": "asinh",
            "skip_zero_gradients": True,
            "direction_bound": 20.0,
        }
    },
    "rnnprop": {
        "rule": {"kind": "rnnprop"},
        "register_as": "rnnprop",
        "init": "paper",
        "unroll": {"rate": {"lr": 1.0}},
    },
    "dm": {
        "rule": {"kind": "dm"},
        "register_as": "dm",
        "init": "paper",
        "unroll": {"rate": {"lr": 1.0}},
    },
}
"""What a job is laid over, by the kind of its rule: for HyperAdam, norms that do not depend on the
number of coordinates, and no wandering off where gradients vanish; for the others, the rate at
which their output has its published scale."""

_PAPER: Final[dict[str, Any]] = {
    "init": "paper",
    "task": {"dataset": "mnist"},
    "meta_optimizer": {"rate": 1e-4, "schedule": "constant", "warmup_updates": 0},
    "n_learners": 1,
    "chunk_size": 1,
}

_ALL_ACTIVATIONS: Final = ["sigmoid", "relu", "elu", "tanh"]
_MILD_TRICKS: Final = {"random_scaling": 1.0, "plain_fraction": 0.5}

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "custom": {},
    "quick": {
        "task": {"activations": _ALL_ACTIVATIONS},
        "tricks": _MILD_TRICKS,
        "meta_optimizer": {"rate": 1.5e-3, "warmup_updates": 5, "averaging": 0.8},
        "n_learners": 4,
        "chunk_size": 1,
        "n_episodes": 12,
        "validation": {"every_episodes": 3, "n_learners": 2},
    },
    "default": {
        "task": {"dataset": "mnist", "activations": _ALL_ACTIVATIONS},
        "unroll": {"rate": {"warmup_steps": 10, "decay_after": 200, "base_fan_in": 784}},
        "tricks": _MILD_TRICKS,
        "meta_optimizer": {"rate": 2e-3, "warmup_updates": 5, "averaging": 0.8},
        "n_learners": 4,
        "chunk_size": 1,
        "n_episodes": 14,
        "validation": {"every_episodes": 2},
    },
    # The HyperAdam paper's own training, and under it those of the learned optimizers that it
    # compares with: RNNprop is scored by the last step of a period alone; DMoptimizer is older than
    # RS and CC.
    "paper": _PAPER
    | {
        "rule": {
            "kind": "hyperadam",
            "normalization": "euclidean",
            "norm_epsilon": 1e-16,
            "squash": "none",
            "skip_zero_gradients": False,
            "direction_bound": 0.0,
        }
    },
    "rnnprop-paper": _PAPER | {"rule": {"kind": "rnnprop"}, "unroll": {"meta_loss": "last"}},
    "dm-paper": _PAPER
    | {
        "rule": {"kind": "dm"},
        "unroll": {"meta_loss": "mean"},
        "tricks": {"random_scaling": 0.0, "convex_dimension": 0, "convex_scaling": 0.0},
    },
}
"""Named starting points; `{"preset": "quick", "seed": 3}` is the preset with the other fields laid
over it."""


def lay_out(given: dict[str, Any]) -> dict[str, Any]:
    """A spec without `preset`: the recommendations of its rule's kind, under its preset, under what
    was given.

    Raises:
        FieldProblem: the preset is unknown, or is one of another kind of rule than the one given.
    """
    given = gather_rates(given)
    name = given.pop("preset", "custom")
    if not isinstance(name, str) or name not in PRESETS:
        raise FieldProblem("preset", f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    preset = PRESETS[name]
    own, wanted = _kind(preset.get("rule")), _kind(given.get("rule"))
    if own and wanted and own != wanted:
        raise FieldProblem(
            "rule", f"rule must be of kind {own!r} with preset {name!r}, got {wanted!r}"
        )
    recommended = RECOMMENDED.get(wanted or own or DEFAULT_KIND, {})
    if _takes_whole_episodes(given.get("estimator")):
        recommended = merge(recommended, {"unroll": {"period": None}})
    return merge(merge(recommended, preset), given)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, object by object."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = (
            merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged


def _takes_whole_episodes(estimator: Any) -> bool:
    """Whether an estimator, or a part of a mix, as an object or as a spec, has no periods: those of
    kind `es`."""
    parts = (
        estimator.get("parts") if isinstance(estimator, dict) else getattr(estimator, "parts", None)
    )
    if not isinstance(parts, list | tuple):
        return _kind(estimator) == "es"
    inner = [
        part.get("estimator") if isinstance(part, dict) else getattr(part, "estimator", None)
        for part in parts
    ]
    return any(_kind(each) == "es" for each in inner)


def _kind(rule: Any) -> str | None:
    """The kind of a rule's or an estimator's spec, as an object or as a spec; None where it says
    none."""
    kind = rule.get("kind") if isinstance(rule, dict) else getattr(rule, "kind", None)
    return kind if isinstance(kind, str) else None
