"""The next trial: from the spec and the ledger alone, with Optuna's proposals."""

from __future__ import annotations

import math
from typing import Any

import pytest

from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialReport, TrialState
from meta_trainer.studies.search import EmptySpace, list_past_points, propose_trial

SPACE = {
    "meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-1},
    "tricks.random_scaling": {"kind": "uniform", "low": 0.0, "high": 2.0, "step": 0.25},
    "unroll.period": {"kind": "choice", "options": [10, 20, 50]},
    "rule.n_candidates": {"kind": "int", "low": 1, "high": 64, "log": True},
}


def make_spec(kind: str = "tpe", **more: Any) -> StudySpec:
    return StudySpec.model_validate({"space": SPACE, "searcher": {"kind": kind}} | more)


def finish(trial: TrialRecord, loss: float) -> None:
    trial.add_report(
        TrialReport(update=5, validation_loss=loss, best_validation_loss=loss, seconds=1.0)
    )
    trial.state = TrialState.COMPLETED


def bowl(trial: TrialRecord) -> float:
    """Lowest, 0, at a meta-rate of 3e-3."""
    return abs(math.log(trial.values.get("meta_optimizer.rate", 1e-3) / 3e-3))


def run(spec: StudySpec, n: int, ledger: Ledger | None = None) -> Ledger:
    ledger = ledger or Ledger()
    while len(ledger.trials) < n and (trial := propose_trial(spec, ledger)):
        finish(trial, bowl(trial))
        ledger.trials.append(trial)
    return ledger


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_study_that_was_cut_off_goes_on_with_the_same_points(kind: str) -> None:
    spec = make_spec(kind)
    whole = [trial.values for trial in run(spec, 10).trials]
    part = run(spec, 4)
    assert [trial.values for trial in run(spec, 10, part).trials] == whole
    assert [trial.values for trial in run(make_spec(kind, seed=1), 10).trials] != whole


def test_values_lie_in_their_domains() -> None:
    for trial in run(make_spec("random"), 20).trials:
        values = trial.values
        assert 1e-4 <= values["meta_optimizer.rate"] <= 1e-1
        assert values["tricks.random_scaling"] % 0.25 == 0
        assert values["unroll.period"] in (10, 20, 50)
        assert isinstance(values["rule.n_candidates"], int)


def test_tpe_learns_where_the_objective_is_low() -> None:
    trials = run(make_spec("tpe"), 40).trials
    early = [bowl(trial) for trial in trials[:6]]
    late = [bowl(trial) for trial in trials[-10:]]
    assert sorted(late)[5] < sorted(early)[3] / 2


@pytest.mark.slow
def test_a_gaussian_process_proposes() -> None:
    spec = make_spec(
        "gp",
        searcher={"kind": "gp", "n_startup_points": 2},
        space={"meta_optimizer.rate": SPACE["meta_optimizer.rate"]},
    )
    ledger = run(spec, 3)
    assert len({trial.values["meta_optimizer.rate"] for trial in ledger.trials}) == 3


def test_a_grid_is_all_points_for_all_seeds_and_then_ends() -> None:
    space = {
        "unroll.period": SPACE["unroll.period"],
        "tricks.convex_dimension": {"kind": "int", "low": 0, "high": 20, "step": 20},
    }
    spec = make_spec("grid", space=space, seeds=[7, 8])
    trials = run(spec, 100).trials
    assert len(trials) == 3 * 2 * 2
    assert [trial.seed for trial in trials[:4]] == [7, 8, 7, 8]
    assert [trial.point for trial in trials[:4]] == [0, 0, 1, 1]
    assert (
        len(
            {
                (t.values["unroll.period"], t.values["tricks.convex_dimension"], t.seed)
                for t in trials
            }
        )
        == 12
    )


def test_seeds_of_a_point_share_its_values_and_count_together() -> None:
    spec = make_spec("tpe", seeds=[0, 1, 2])
    ledger = run(spec, 6)
    assert [trial.point for trial in ledger.trials] == [0, 0, 0, 1, 1, 1]
    assert ledger.trials[0].values == ledger.trials[2].values != ledger.trials[3].values


def test_values_that_do_not_go_together_are_passed_over() -> None:
    space = {
        "n_learners": {"kind": "int", "low": 2, "high": 12, "step": 2},
        "chunk_size": {"kind": "int", "low": 1, "high": 2},
    }
    for trial in run(
        make_spec("random", space={**space, "meta_optimizer.rate": SPACE["meta_optimizer.rate"]}),
        10,
    ).trials:
        assert trial.values["n_learners"] % trial.values["chunk_size"] == 0


def test_a_space_without_points_is_told_of() -> None:
    spec = make_spec("random")
    hopeless = spec.model_copy(update={"base": spec.base.model_copy(update={"n_episodes": 0})})
    with pytest.raises(EmptySpace, match="200 proposals"):
        propose_trial(hopeless, Ledger())


def test_a_diverged_point_is_only_a_bad_one() -> None:
    spec = make_spec("tpe", searcher={"kind": "tpe", "n_startup_points": 2})
    ledger = Ledger()
    for i in range(6):
        trial = propose_trial(spec, ledger)
        assert trial is not None
        finish(trial, math.inf if i % 2 else bowl(trial))
        ledger.trials.append(trial)
    assert propose_trial(spec, ledger) is not None


def test_a_trial_that_was_stopped_is_pruned_at_its_losses_by_update() -> None:
    """Optuna must not take a loss after 5 updates for one after 10."""
    spec = make_spec()
    ledger = run(spec, 2)
    stopped = ledger.trials[1]
    stopped.add_report(
        TrialReport(update=7, validation_loss=0.5, best_validation_loss=0.25, seconds=2.0)
    )
    stopped.state = TrialState.STOPPED
    finished_point, stopped_point = list_past_points(spec, ledger)
    assert (finished_point.state.name, finished_point.intermediate_values) == ("COMPLETE", {})
    assert (stopped_point.state.name, stopped_point.value) == ("PRUNED", None)
    assert stopped_point.intermediate_values == {5: bowl(stopped), 7: 0.25}
    assert propose_trial(spec, ledger) is not None
