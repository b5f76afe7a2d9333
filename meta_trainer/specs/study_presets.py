"""Ready studies: the paper's ablations (Figure 8), and a search for the meta-rate, each small and
at full size.

Everything here is JSON, before validation; `meta_trainer.specs.study` says what the fields mean.
"""

from __future__ import annotations

from typing import Any, Final

from meta_trainer.specs.plain_words import describe_choice
from meta_trainer.specs.presets import merge
from meta_trainer.specs.problems import FieldProblem

_SMALL: Final[dict[str, Any]] = {
    "base": {
        "preset": "quick",
        "task": {"hidden": [8], "activations": ["sigmoid", "relu"]},
        "unroll": {"horizon": 40, "period": 10},
        "n_learners": 2,
        "n_episodes": 4,
        "validation": {"every_episodes": 1, "n_learners": 2},
        "checkpoint_every_updates": 5,
    },
    "limits": {"trials": 8},
}
_FULL: Final[dict[str, Any]] = {"base": {"preset": "mlps-784"}}
_GRID: Final[dict[str, Any]] = {"searcher": {"kind": "grid"}, "limits": {"trials": 10_000}}


def _choice(*options: Any, labels: tuple[str, ...] = ()) -> dict[str, Any]:
    domain = {"kind": "choice", "options": list(options)}
    return {**domain, "labels": list(labels)} if labels else domain


_ABLATIONS: Final[dict[str, dict[str, Any]]] = {
    # Figure 8c: how many Adams are mixed.
    "ablation-j": _GRID | {"space": {"rule.n_candidates": _choice(1, 5, 10, 15, 20, 25, 35)}},
    # Figure 8a: the StateCell without its LSTM, without the layer before it, without both.
    "ablation-state": _GRID
    | {
        "space": {
            "rule.lstm": _choice(True, False, labels=("LSTM", "no LSTM")),
            "rule.preprocessing": _choice(
                True, False, labels=("preprocessing", "no preprocessing")
            ),
        }
    },
    # Figure 8b: random scaling and the convex function.
    "ablation-tricks": _GRID
    | {
        "space": {
            "tricks.random_scaling": _choice(1.0, 0.0, labels=("RS", "no RS")),
            "tricks.convex_dimension": _choice(20, 0, labels=("CC", "no CC")),
        }
    },
}

# Where to begin with a task or a machine of one's own.
_RATES: Final[dict[str, Any]] = {
    "space": {
        "meta_optimizer.rate": {"kind": "log-uniform", "low": 3e-4, "high": 1e-2},
        "tricks.random_scaling": {"kind": "uniform", "low": 0.0, "high": 2.0},
        "unroll.period": _choice(10, 20),
    },
    "searcher": {"kind": "tpe", "n_startup_points": 4},
    "scheduler": {"kind": "asha", "grace_updates": 4, "reduction": 2.0},
}


def _name_best(studies: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Ready studies whose best Θ has a name of its own: it is no `hyperadam@latest`."""
    return {
        name: merge(study, {"base": {"register_as": f"study-{name}"}})
        for name, study in studies.items()
    }


STUDY_PRESETS: Final[dict[str, dict[str, Any]]] = _name_best(
    {
        **{
            name: merge(merge(_SMALL, question), {"seeds": [0, 1]})
            for name, question in _ABLATIONS.items()
        },
        **{
            f"{name}-full": merge(merge(_FULL, question), {"seeds": [0, 1, 2]})
            for name, question in _ABLATIONS.items()
        },
        "rates": merge(_SMALL, _RATES),
        "rates-full": merge(_FULL, _RATES | {"limits": {"trials": 32}}),
    }
)
"""Named studies; `{"preset": "ablation-j", "seeds": [3]}` is the preset with the other fields laid
over it."""


def lay_out_study(fields: dict[str, Any]) -> dict[str, Any]:
    """A study's spec without its own `preset` (the base may have one of meta-training).

    A `base` is laid over the preset's, a `space` takes its place.

    Raises:
        FieldProblem: the preset is unknown.
    """
    fields = dict(fields)
    name = fields.pop("preset", None)
    if name is None:
        return fields
    if not isinstance(name, str) or name not in STUDY_PRESETS:
        raise FieldProblem("preset", describe_choice("preset", name, STUDY_PRESETS))
    preset = STUDY_PRESETS[name]
    replaced = [field for field in preset if _replaces(fields.get(field), preset[field], field)]
    base = {field: value for field, value in preset.items() if field not in replaced}
    return merge(base, fields)


def _replaces(value: Any, preset_value: Any, field: str) -> bool:
    """Whether a value takes the place of the preset's: a space, or something of another kind."""
    if field == "space":
        return value is not None
    if not isinstance(value, dict) or not isinstance(preset_value, dict):
        return False
    kind = value.get("kind")
    preset_kind = preset_value.get("kind")
    both_say_it = kind is not None and preset_kind is not None
    return both_say_it and kind != preset_kind
