"""Ready studies: the paper's ablations (Figure 8), and a search for the meta-rate, each small and
at full size.

Everything here is JSON, before validation; `meta_trainer.specs.study` says what the fields mean.
"""

from __future__ import annotations

from typing import Any, Final

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
_FULL: Final[dict[str, Any]] = {"base": {"preset": "default"}}
_GRID: Final[dict[str, Any]] = {"searcher": {"kind": "grid"}, "limits": {"trials": 10_000}}


def _choice(*options: Any, labels: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"kind": "choice", "options": list(options)} | (
        {"labels": list(labels)} if labels else {}
    )


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

STUDY_PRESETS: Final[dict[str, dict[str, Any]]] = {
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
"""Named studies; `{"preset": "ablation-j", "seeds": [3]}` is the preset with the other fields laid
over it."""


def lay_out_study(given: dict[str, Any]) -> dict[str, Any]:
    """A study's spec without its own `preset` (the base may have one of meta-training).

    A given `base` is laid over the preset's, a given `space` takes its place.

    Raises:
        FieldProblem: the preset is unknown.
    """
    given = dict(given)
    name = given.pop("preset", None)
    if name is None:
        return given
    if not isinstance(name, str) or name not in STUDY_PRESETS:
        raise FieldProblem(
            "preset", f"preset must be one of {', '.join(STUDY_PRESETS)}, got {name!r}"
        )
    kept = {
        field: value
        for field, value in STUDY_PRESETS[name].items()
        if not _replaces(given.get(field), value, field)
    }
    return merge(kept, given)


def _replaces(given: Any, preset: Any, field: str) -> bool:
    """Whether what was given takes the place of the preset's: a space, or something of another
    kind."""
    if field == "space":
        return given is not None
    kinds = [value.get("kind") for value in (given, preset) if isinstance(value, dict)]
    return len(kinds) == 2 and None not in kinds and kinds[0] != kinds[1]
