"""Fields of a space that are varied only where other ones have given values."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from meta_trainer.specs.conditional_space import is_active, list_active
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.analysis import estimate_importance
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialReport, TrialState
from meta_trainer.studies.report import make_files, to_csv
from meta_trainer.studies.search import propose_trial
from meta_trainer.studies.warm_start import KnownPoint, list_known
from registry import connect
from tests.meta_trainer.studies.conftest import make_conductor, run_here, tiny_study

RULE = {"kind": "choice", "options": [{"kind": "hyperadam"}, {"kind": "rnnprop"}]}
BETA1 = {
    "kind": "uniform",
    "low": 0.8,
    "high": 0.9,
    "when": {"rule": [{"kind": "rnnprop"}]},
}
SIZE = {"kind": "int", "low": 1, "high": 4}
SCALING = {"kind": "uniform", "low": 0.0, "high": 2.0}
SPACE = {
    "rule.beta1": BETA1,
    "rule": RULE,
    "tricks.random_scaling": {**SCALING, "when": {"unroll.period": [20]}},
    "meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-2},
    "unroll.period": {
        "kind": "choice",
        "options": [10, 20],
        "when": {"rule": [{"kind": "rnnprop"}]},
    },
}


def make_spec(space: dict[str, Any] = SPACE, kind: str = "tpe", **more: Any) -> StudySpec:
    return StudySpec.model_validate({"space": space, "searcher": {"kind": kind}} | more)


def choose(*options: Any, **when: Any) -> dict[str, Any]:
    return {"kind": "choice", "options": list(options), "when": when}


def when(path: str, *values: Any) -> dict[str, Any]:
    return {**SCALING, "when": {path: list(values)}}


SCALED = "tricks.random_scaling"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({SCALED: when("n_learners", 2)}, "names n_learners, which is no field of the space"),
        ({SCALED: when(SCALED, 1)}, "which must be a choice or an int, got 'uniform'"),
        ({SCALED: when("n_learners", 5), "n_learners": SIZE}, "names n_learners = 5, which it nev"),
        ({SCALED: when("n_learners", True), "n_learners": SIZE}, "n_learners = true, which it nev"),
        ({SCALED: when("n_learners", 1.0), "n_learners": SIZE}, "n_learners = 1.0, which it never"),
        ({SCALED: when("n_learners", 2, 2), "n_learners": SIZE}, "each value of n_learners once"),
        ({SCALED: when("rule.lstm", 1), "rule.lstm": choose(True, False)}, "lstm = 1, which it ne"),
        ({SCALED: when("n_learners"), "n_learners": SIZE}, "at least 1 item"),
    ],
)
def test_a_condition_names_what_can_be(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        make_spec(space)
    (details,) = caught.value.errors()
    location = ".".join(map(str, details["loc"]))
    blamed = f"{location} {details['msg']}"
    assert f"space.{SCALED}" in blamed
    assert ".when" in blamed


def test_a_condition_does_not_wait_for_itself() -> None:
    space = {
        "meta_optimizer.rate": SPACE["meta_optimizer.rate"],
        SCALED: when("n_learners", 1),
        "n_learners": {**SIZE, "when": {"rule.lstm": [True]}},
        "rule.lstm": {**choose(True, False), "when": {"n_learners": [1]}},
    }
    circle = "space.n_learners.when leads back .* n_learners → rule.lstm → n_learners"
    with pytest.raises(ValidationError, match=circle):
        make_spec(space)


def test_conditions_that_exclude_each_other_are_refused() -> None:
    space = {
        "rule.lstm": choose(True, False),
        "n_learners": {**choose(2, 4), "when": {"rule.lstm": [True]}},
        SCALED: {**SCALING, "when": {"n_learners": [2], "rule.lstm": [False]}},
    }
    with pytest.raises(ValidationError, match=f"space.{SCALED}.when never holds"):
        make_spec(space)
    space[SCALED] = {**SCALING, "when": {"n_learners": [2], "rule.lstm": [False, True]}}
    with pytest.raises(ValidationError, match=r"names rule.lstm = false, with which another cond"):
        make_spec(space)


def test_a_field_is_one_of_the_base_wherever_it_is_active() -> None:
    either = {**BETA1, "when": {"rule": RULE["options"]}}
    message = 'space.rule.beta1 is no field .* where rule = {"kind":"hyperadam"}'
    with pytest.raises(ValidationError, match=message):
        make_spec({"rule": RULE, "rule.beta1": either})
    with pytest.raises(ValidationError, match=r"rule = .*rnnprop.*, rule.beta1 = 2.0: rule"):
        make_spec({"rule": RULE, "rule.beta1": {**BETA1, "high": 2.0}})


@pytest.mark.parametrize("kind", ["gp", "pbt"])
def test_a_searcher_for_which_every_point_has_all_fields_takes_none(kind: str) -> None:
    space = {SCALED: when("tricks.convex_dimension", 20), "tricks.convex_dimension": choose(0, 20)}
    limits = {"parallel_trials": 4}
    with pytest.raises(ValidationError, match=f"{SCALED}.when needs the searcher random, grid or"):
        make_spec(space, kind, limits=limits)


def test_a_spec_stays_the_same_when_stored() -> None:
    spec = make_spec()
    assert StudySpec.model_validate(spec.model_dump(mode="json")) == spec


def propose_points(spec: StudySpec, n: int) -> list[dict[str, Any]]:
    ledger = Ledger()
    while len(ledger.trials) < n and (trial := propose_trial(spec, ledger)):
        loss = abs(math.log(trial.values.get("meta_optimizer.rate", 1e-3) / 3e-3))
        report = TrialReport(update=5, validation_loss=loss, best_validation_loss=loss, seconds=1.0)
        trial.add_report(report)
        trial.state = TrialState.COMPLETED
        ledger.trials.append(TrialRecord.from_json(trial.to_json()))
    return [trial.values for trial in ledger.trials]


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_points_obey_their_conditions(kind: str) -> None:
    spec = make_spec(kind=kind)
    points = propose_points(spec, 24)
    for values in points:
        assert set(values) == set(list_active(spec.space, values))
        assert "meta_optimizer.rate" in values
        for path in spec.space:
            assert (path in values) == is_active(spec.space, path, values)
        trained = spec.trial_spec(values, 0)
        assert trained.rule.kind == values["rule"]["kind"]
        if "rule.beta1" in values:
            assert trained.rule.beta1 == values["rule.beta1"]  # type: ignore[union-attr]
        if SCALED not in values:
            assert trained.tricks.random_scaling == spec.base.tricks.random_scaling
    assert {len(values) for values in points} == {2, 4, 5}
    assert propose_points(spec, 24) == points


def test_a_grid_has_every_distinct_point_once() -> None:
    space = {
        "tricks.convex_dimension": choose(0, 5, 20, **{"rule.lstm": [True]}),
        "rule.lstm": choose(True, False),
    }
    spec = make_spec(space, "grid")
    assert list(spec.grid()) == [
        {"rule.lstm": True, "tricks.convex_dimension": 0},
        {"rule.lstm": True, "tricks.convex_dimension": 5},
        {"rule.lstm": True, "tricks.convex_dimension": 20},
        {"rule.lstm": False},
    ]
    assert spec.n_grid_points == 4
    assert len(propose_points(spec, 9)) == 4


def test_a_grid_of_too_many_points_is_refused() -> None:
    space = {
        "rule.lstm": choose(True, False),
        "n_learners": {"kind": "int", "low": 1, "high": 2000, "when": {"rule.lstm": [True]}},
    }
    with pytest.raises(ValidationError, match="at most 1000 points in a grid, got more"):
        make_spec(space, "grid", base={"chunk_size": 1})


FIXED = {
    "meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-1},
    "unroll.period": {"kind": "choice", "options": [10, 20, 50]},
    "rule.n_candidates": {"kind": "int", "low": 1, "high": 64, "log": True},
}
DRAWN = {
    "random": {
        "meta_optimizer.rate": 0.0037122950013407127,
        "unroll.period": 50,
        "rule.n_candidates": 17,
    },
    "tpe": {
        "meta_optimizer.rate": 0.0011047734186434967,
        "unroll.period": 50,
        "rule.n_candidates": 1,
    },
}


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_space_without_conditions_is_drawn_as_ever(kind: str) -> None:
    """The figures are those of the version before conditions."""
    last = propose_points(make_spec(FIXED, kind), 9)[-1]
    assert last == DRAWN[kind]


def test_a_warm_start_takes_points_that_have_the_active_fields() -> None:
    registry = connect("memory://")
    run_id = registry.open_run("job_other", name="other")
    rnnprop = {"rule": {"kind": "rnnprop"}}
    hyperadam = {"rule": {"kind": "hyperadam"}}
    points = [{**rnnprop, "rule.beta1": 0.85}, rnnprop, hyperadam, {**hyperadam, "rule.beta1": 0.8}]
    report = TrialReport(update=4, validation_loss=0.5, best_validation_loss=0.5, seconds=1.0)
    trials = [
        TrialRecord(
            number=number,
            point=number,
            seed=0,
            values=values,
            n_updates=4,
            reports=[report],
            state=TrialState.COMPLETED,
        )
        for number, values in enumerate(points)
    ]
    Ledger(trials=trials).save(registry, run_id)
    spec = make_spec({"rule": RULE, "rule.beta1": BETA1}, warm_start="job_other")
    known = list_known(spec, registry, run_id)
    assert known == [KnownPoint(points[0], 0.5), KnownPoint(points[2], 0.5)]
    assert propose_trial(spec, Ledger(), known) is not None


@pytest.mark.slow
def test_a_study_with_a_conditional_field_runs_to_its_end_and_has_a_report() -> None:
    space = {
        "rule.lstm": choose(True, False),
        "meta_optimizer.rate": SPACE["meta_optimizer.rate"],
        SCALED: {**when("rule.lstm", True), "high": 1.0},
    }
    spec = tiny_study(space=space, limits={"trials": 6}, seed=1)
    registry = connect("memory://")
    ledger = run_here(make_conductor(spec, registry), registry)
    assert [trial.state for trial in ledger.trials] == [TrialState.COMPLETED] * 6
    has_field = [SCALED in trial.values for trial in ledger.trials]
    assert has_field == [trial.values["rule.lstm"] for trial in ledger.trials]
    assert set(has_field) == {True, False}

    importance = estimate_importance(spec, ledger)
    assert importance is not None
    assert importance.left_out == [SCALED]
    assert sum(importance.shares.values()) == pytest.approx(1)
    rows = list(csv.DictReader(io.StringIO(to_csv(spec, ledger))))
    assert [row[SCALED] != "" for row in rows] == has_field
    files = make_files(spec, ledger, None, "conditional")
    assert json.loads(files["result.json"])["importance"]["left_out"] == [SCALED]
    page = files["report.md"].decode()
    assert f"Without a share, as not every point has them: {SCALED}." in page
    assert "| – |" in page
    assert {"effect.png", "coordinates.png", "importance.png"} < set(files)
