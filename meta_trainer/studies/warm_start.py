"""What a study knows before its first trial: the points of another study, with their objectives.

They are read once and kept in the study's own run: from then on it needs the other study no more.
They are no trials of this one: its searcher learns from them, and neither its report nor its best Θ
is made of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from optuna.trial import FrozenTrial, create_trial

from meta_trainer.specs.conditional_space import list_active
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.ledger import Ledger, TrialState
from meta_trainer.studies.objective import compute_point_objective
from meta_trainer.studies.optuna_space import make_distributions, to_optuna_params
from registry import ArtifactNotFound, Registry, RunNotFound

KNOWN_PATH: Final = "study/known.json"
"""Artifact of a study with `warm_start`: the points that it began with."""


class KnownPoint(NamedTuple):
    """A point that was trained to its end elsewhere."""

    values: dict[str, Any]
    """Value of each field that this study varies, by its path."""
    objective: float
    """Finite; smaller is better."""


def load_known(
    spec: StudySpec, registry: Registry, run_id: str, original_run_id: str | None
) -> list[KnownPoint]:
    """What the study's `warm_start` refers to, kept in its run from the first attempt on; nothing
    where it begins afresh.

    Args:
        original_run_id: the run of the other study; None: that study is gone.

    Raises:
        FieldProblem: it is gone, or none of its points fits into this space.
    """
    if spec.warm_start is None:
        return []
    try:
        content = json.loads(registry.get_artifact(run_id, KNOWN_PATH))
        return [KnownPoint(**point) for point in content["points"]]
    except ArtifactNotFound:
        pass  # this is the first attempt
    known = [] if original_run_id is None else list_known(spec, registry, original_run_id)
    if not known:
        raise FieldProblem(
            "warm_start",
            f"warm_start refers to {spec.warm_start}, which is gone or has no point of this space "
            "that was trained to its end",
        )
    content = {"points": [point._asdict() for point in known]}
    registry.put_artifact(run_id, KNOWN_PATH, json.dumps(content, allow_nan=False).encode())
    return known


def list_known(spec: StudySpec, registry: Registry, original_run_id: str) -> list[KnownPoint]:
    """The other study's points that this one can learn from: trained to their end by all their
    trials, with a finite objective, and within this space."""
    try:
        ledger = Ledger.load(registry, original_run_id)
    except RunNotFound:
        return []
    known = []
    for number in sorted({trial.point for trial in ledger.trials}):
        trials = ledger.select_by_point(number)
        objective = compute_point_objective(spec, trials)
        are_complete = all(trial.state is TrialState.COMPLETED for trial in trials)
        if not are_complete or objective is None or not math.isfinite(objective):
            continue
        values = {path: trials[0].values[path] for path in spec.space if path in trials[0].values}
        point = KnownPoint(values, objective)
        if _is_of_the_space(spec, point):
            known.append(point)
    return known


def to_optuna_trials(spec: StudySpec, known: Sequence[KnownPoint]) -> list[FrozenTrial]:
    """As Optuna's trials, which are complete."""
    return [_to_optuna_trial(spec, point) for point in known]


def _to_optuna_trial(spec: StudySpec, point: KnownPoint) -> FrozenTrial:
    """
    Raises:
        ValueError: a value is not of its domain.
    """
    params = to_optuna_params(spec, point.values)
    space = make_distributions(spec, point.values)
    return create_trial(value=point.objective, params=params, distributions=space)


def _is_of_the_space(spec: StudySpec, point: KnownPoint) -> bool:
    if point.values.keys() != set(list_active(spec.space, point.values)):
        return False
    try:
        _to_optuna_trial(spec, point)
    except (ValueError, TypeError):
        return False
    return True
