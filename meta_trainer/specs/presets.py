"""Where a meta-training's spec begins: what goes well with its rule, then a named preset, then what
was given.

Everything here is JSON, before validation; `meta_trainer.specs.meta_training` says what the fields
mean.
"""

from __future__ import annotations

from typing import Any, Final

from hyperadam.rules import installed_rules

from meta_trainer.specs.plain_words import describe_choice
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
    "hyperadam-tensor": {
        "rule": {"kind": "hyperadam-tensor"},
        "register_as": "hyperadam-tensor",
        "init": "ensemble",
        "unroll": {"rate": {"lr": 1.0, "warmup_steps": 20, "decay_after": 50}},
    },
}
"""What a job is laid over, by the kind of its rule: for HyperAdam, norms that do not depend on the
number of coordinates, and no wandering off where gradients vanish; for RNNprop and DMoptimizer, the
rate at which their output has its published scale; for `hyperadam-tensor`, whose directions are
steps, a schedule alone; for one that is installed, what it calls its first initialisation."""

RECOMMENDED.update(
    {
        kind: {
            "rule": {"kind": kind},
            "register_as": kind,
            "init": extension.value(extension.value.spec_type()).inits[0],
        }
        for kind, extension in installed_rules().items()
    }
)

_PAPER_META_OPTIMIZER: Final = {"rate": 1e-4, "schedule": "constant", "warmup_updates": 0}
_PAPER: Final[dict[str, Any]] = {
    "init": "paper",
    "task": {"dataset": "mnist"},
    "meta_optimizer": _PAPER_META_OPTIMIZER,
    "n_learners": 1,
    "chunk_size": 1,
}

_ALL_ACTIVATIONS: Final = ["sigmoid", "relu", "elu", "tanh"]
_MILD_TRICKS: Final = {"random_scaling": 1.0, "plain_fraction": 0.5}
_NO_TRICKS: Final = {"random_scaling": 0.0, "convex_dimension": 0, "convex_scaling": 0.0}

_HOW_MOMENTS_FORGET: Final = [
    f"{cell}.{part}" for cell in ("state_cell", "adam_cell") for part in ("weight", "bias")
]
"""Of a `hyperadam-tensor`: how long steps are, and what moments count, stay as they are found."""

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "custom": {},
    # A toy: its versions are nobody's `hyperadam@latest`.
    "quick": {
        "register_as": "quick",
        "task": {"activations": _ALL_ACTIVATIONS},
        "tricks": _MILD_TRICKS,
        "meta_optimizer": {"rate": 1.5e-3, "warmup_updates": 5, "averaging": 0.8},
        "n_learners": 4,
        "chunk_size": 1,
        "n_episodes": 12,
        "validation": {"every_episodes": 3, "n_learners": 2},
    },
    # Exact derivatives of many kinds of tiny learners, chosen by full-size ones of other kinds, all
    # under the schedule of `hyperadam-v9` and told how long they run. What tiny learners make of
    # the length of steps, and of the sum of the weights of moments, does not hold for others.
    "default": {
        "rule": {"kind": "hyperadam-tensor", "sees_network": True, "sparse_above": 0.75},
        "tasks": {"preset": "tiny", "horizon": [30, 300]},
        "tricks": _NO_TRICKS,
        "estimator": {"kind": "tbptt", "order": 2, "loss_limit": 2.0, "adjoint_limit": 1.0},
        "unroll": {
            "period": None,
            "meta_loss": "log",
            "late_weight": 1.0,
            "rate": {"warmup_steps": 40, "warmup_share": 0.1, "decay_after": 150, "rest": 0.2},
        },
        "meta_optimizer": {
            "rate": 1e-3,
            "schedule": "cosine",
            "warmup_updates": 10,
            "averaging": 0.9,
            "clip_learners": 4.0,
            "tensors": _HOW_MOMENTS_FORGET,
        },
        "n_learners": 18,
        "chunk_size": 3,
        "n_episodes": 400,
        "validation": {
            "every_episodes": 50,
            "n_learners": 4,
            "horizons": [100, 400],
            "lengths": [0.7, 1.0, 1.4],
        },
    },
    # What made `hyperadam-v0`, from which `hyperadam-v1` comes.
    "mlps-784": {
        "task": {"dataset": "mnist", "activations": _ALL_ACTIVATIONS},
        "unroll": {"rate": {"warmup_steps": 10, "decay_after": 200, "base_fan_in": 784}},
        "tricks": _MILD_TRICKS,
        "meta_optimizer": {"rate": 2e-3, "warmup_updates": 5, "averaging": 0.8},
        "n_learners": 4,
        "chunk_size": 1,
        "n_episodes": 14,
        "validation": {"every_episodes": 2},
    },
    # Exact derivatives of whole episodes, a say for late and small losses, and a bound on what one
    # learner can do: first order wants this rule's steps too short.
    "tensor": {
        "rule": {"kind": "hyperadam-tensor"},
        "task": {"activations": _ALL_ACTIVATIONS},
        "tricks": _NO_TRICKS,
        "estimator": {"kind": "tbptt", "order": 2},
        "unroll": {"horizon": 50, "period": None, "meta_loss": "log", "late_weight": 1.0},
        "meta_optimizer": {
            "rate": 3e-3,
            "warmup_updates": 5,
            "averaging": 0.8,
            "clip_learners": 4.0,
        },
        "n_learners": 4,
        "chunk_size": 1,
        "n_episodes": 24,
        "validation": {"every_episodes": 6, "n_learners": 2},
    },
    # The HyperAdam paper's own training, by its authors' code of 2019: step t is scored by the loss
    # before it, the meta-gradient is not clipped, and ten plain episodes validate Θ after each of
    # up to 700 epochs of 100 episodes, of which `n_episodes` is one. Under it those of the learned
    # optimizers that it compares with: RNNprop is scored by the last step of a period alone;
    # DMoptimizer is older than RS and CC.
    "paper": _PAPER
    | {
        "rule": {
            "kind": "hyperadam",
            "normalization": "euclidean",
            "norm_epsilon": 1e-16,
            "squash": "none",
            "skip_zero_gradients": False,
            "direction_bound": 0.0,
        },
        "unroll": {"score": "pre"},
        "meta_optimizer": {**_PAPER_META_OPTIMIZER, "clip_norm": 1e6},
        "validation": {"every_episodes": 100, "n_learners": 10},
    },
    # Those of the learned optimizers that it compares with: RNNprop is scored by the last step of a
    # period alone; DMoptimizer is older than RS and CC.
    "rnnprop-paper": _PAPER | {"rule": {"kind": "rnnprop"}, "unroll": {"meta_loss": "last"}},
    "dm-paper": _PAPER
    | {
        "rule": {"kind": "dm"},
        "unroll": {"meta_loss": "mean"},
        "tricks": _NO_TRICKS,
    },
}
"""Named starting points; `{"preset": "quick", "seed": 3}` is the preset with the other fields laid
over it."""


def lay_out(fields: dict[str, Any]) -> dict[str, Any]:
    """A spec without `preset`: the recommendations of its rule's kind, under its preset, under the
    fields that were given.

    Raises:
        FieldProblem: the preset is unknown, or is one of another kind of rule than the one given.
    """
    gathered = gather_rates(fields)
    name = gathered.pop("preset", "custom")
    if not isinstance(name, str) or name not in PRESETS:
        raise FieldProblem("preset", describe_choice("preset", name, PRESETS))

    preset = PRESETS[name]
    kind_of_preset = _read_kind(preset.get("rule"))
    kind_of_job = _read_kind(gathered.get("rule"))
    if kind_of_preset and kind_of_job and kind_of_preset != kind_of_job:
        raise FieldProblem(
            "rule",
            f"rule must be of kind {kind_of_preset!r} with preset {name!r}, got {kind_of_job!r}",
        )

    recommended = RECOMMENDED.get(kind_of_job or kind_of_preset or DEFAULT_KIND, {})
    if _takes_whole_episodes(gathered.get("estimator")):
        recommended = merge(recommended, {"unroll": {"period": None}})
    return merge(merge(recommended, preset), gathered)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, object by object; an object of another `kind` takes the place of
    what was there, whose fields are none of its own."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _is_other_kind(old, value):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _is_other_kind(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return "kind" in new and new["kind"] != old.get("kind", new["kind"])


def _takes_whole_episodes(estimator: Any) -> bool:
    """Whether an estimator, or a part of a mix, as an object or as a spec, has no periods: those of
    kind `es`."""
    parts = _read_field(estimator, "parts")
    if not isinstance(parts, list | tuple):
        return _read_kind(estimator) == "es"
    estimators = [_read_field(part, "estimator") for part in parts]
    return any(_read_kind(part) == "es" for part in estimators)


def _read_kind(spec: Any) -> str | None:
    """The kind of a rule or an estimator; None where it says none."""
    kind = _read_field(spec, "kind")
    return kind if isinstance(kind, str) else None


def _read_field(spec: Any, name: str) -> Any:
    """A field of an object or of a spec; None where it has none."""
    return spec.get(name) if isinstance(spec, dict) else getattr(spec, name, None)
