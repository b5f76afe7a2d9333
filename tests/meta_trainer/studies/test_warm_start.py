"""A study that begins with what another one found out."""

from __future__ import annotations

import math
from typing import Any

import pytest
from optuna.trial import TrialState as OptunaState
from pydantic import ValidationError

from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialReport, TrialState
from meta_trainer.studies.search import propose_trial
from meta_trainer.studies.warm_start import KnownPoint, list_known, load_known, to_optuna_trials
from registry import Registry, connect
from tests.meta_trainer.studies.conftest import RATE, tiny_study

PATH = "meta_optimizer.rate"
OTHER = "job_other"
LEARNING = {"kind": "tpe", "n_startup_points": 3}


def make_trial(number: int, rate: float, loss: float, **fields: Any) -> TrialRecord:
    report = TrialReport(update=4, validation_loss=loss, best_validation_loss=loss, seconds=1.0)
    values = {PATH: rate}
    return TrialRecord(
        number=number,
        point=number,
        seed=0,
        values=fields.pop("values", values),
        n_updates=4,
        reports=[report],
        state=fields.pop("state", TrialState.COMPLETED),
    )


@pytest.fixture
def registry() -> Registry:
    return connect("memory://")


@pytest.fixture
def other_run(registry: Registry) -> str:
    """A study with three points of RATE, and some that nothing can be learned from."""
    run_id = registry.open_run(OTHER, name="other")
    trials = [
        make_trial(0, 0.002, 0.5),
        make_trial(1, 0.02, 0.3),
        make_trial(2, 0.09, 0.9),
        make_trial(3, 0.5, 0.1),
        make_trial(4, 0.01, 0.1, state=TrialState.STOPPED),
        make_trial(5, 0.01, math.inf),
        make_trial(6, 0.01, 0.1, values={"n_learners": 4}),
    ]
    Ledger(trials=trials).save(registry, run_id)
    return run_id


def warm_study(**fields: Any) -> StudySpec:
    return tiny_study(searcher=LEARNING, warm_start=OTHER, **fields)


def test_what_can_be_learned_from(registry: Registry, other_run: str) -> None:
    known = list_known(warm_study(), registry, other_run)
    assert [(point.values[PATH], point.objective) for point in known] == [
        (0.002, 0.5),
        (0.02, 0.3),
        (0.09, 0.9),
    ]
    wider = {**RATE, "n_learners": {"kind": "int", "low": 2, "high": 4}}
    assert list_known(warm_study(space=wider), registry, other_run) == []
    assert list_known(warm_study(), registry, "no-such-run") == []


def test_it_is_kept_in_the_own_run(registry: Registry, other_run: str) -> None:
    run_id = registry.open_run("job_1", name="mine")
    known = load_known(warm_study(), registry, run_id, other_run)
    assert load_known(warm_study(), registry, run_id, None) == known
    fresh = registry.open_run("job_2", name="fresh")
    with pytest.raises(FieldProblem, match="job_other, which is gone"):
        load_known(warm_study(), registry, fresh, None)
    assert load_known(tiny_study(), registry, fresh, None) == []


def test_the_searcher_learns_from_the_first_trial_on() -> None:
    """With as many known points as there are random ones at the start, none is random."""
    spec = warm_study()
    rates = [0.0012, 0.0015, 0.002, 0.05, 0.06, 0.07, 0.08]
    known = [KnownPoint({PATH: rate}, 0.1 if rate < 0.01 else 0.9) for rate in rates]
    assert {trial.state for trial in to_optuna_trials(spec, known)} == {OptunaState.COMPLETE}
    cold = propose_trial(spec, Ledger())
    warm = propose_trial(spec, Ledger(), known)
    assert cold is not None
    assert warm is not None
    assert cold.values != warm.values
    near = [
        propose_trial(spec.model_copy(update={"seed": seed}), Ledger(), known) for seed in range(8)
    ]
    n_low = sum(trial is not None and trial.values[PATH] < 0.02 for trial in near)
    assert n_low >= 6


@pytest.mark.parametrize("kind", ["random", "grid"])
def test_a_searcher_that_does_not_learn_takes_none(kind: str) -> None:
    with pytest.raises(ValidationError, match="needs a searcher that learns, tpe or gp"):
        tiny_study(searcher={"kind": kind}, warm_start=OTHER)
