"""A trial is an ordinary meta-training: the same Θ, bit for bit, cut off or not, and nothing lost
but an interval."""

from __future__ import annotations

import pytest
import torch
from hyperadam.theta import Theta

from meta_trainer.datasets import load
from meta_trainer.runners import InProcessRunner
from meta_trainer.studies.ledger import THETA_PATH, Ledger, TrialRecord
from meta_trainer.training.loop import MetaTraining
from registry import Registry, connect
from tests.meta_trainer.conftest import MemoryRecorder
from tests.meta_trainer.studies.conftest import make_conductor, run_here, start_trial, tiny_study


@pytest.fixture
def registry() -> Registry:
    return connect("memory://")


def best_theta(registry: Registry, trial: TrialRecord) -> torch.Tensor:
    assert trial.run_id is not None
    return Theta.from_bytes(registry.get_artifact(trial.run_id, THETA_PATH)).vector


def test_a_trial_gives_the_theta_of_a_plain_job(registry: Registry) -> None:
    spec = tiny_study(limits={"trials": 1}, base={"n_episodes": 3})
    (trial,) = run_here(make_conductor(spec, registry), registry).trials
    plain = MetaTraining(
        spec.trial_spec(trial.values, trial.seed),
        load("mnist5k"),
        InProcessRunner(),
        MemoryRecorder(),
    ).run()
    assert torch.equal(best_theta(registry, trial), plain.theta)
    assert trial.reports[-1].best_validation_loss == plain.best_loss
    assert [report.update for report in trial.reports] == [2, 4, 6]


def test_a_trial_that_is_cut_off_anywhere_ends_in_the_same_theta(registry: Registry) -> None:
    spec = tiny_study(limits={"trials": 1}, base={"n_episodes": 3})
    (whole,) = run_here(make_conductor(spec, registry), registry).trials

    other = connect("memory://")
    conductor = make_conductor(spec, other)
    trial = conductor.begin_trial()
    assert trial is not None
    calls = iter(range(100))
    running = start_trial(
        spec, trial, other, lambda: next(calls) >= 2
    )  # in the middle of the second episode
    assert running.advance().report is not None
    assert running.advance().report is None
    progress = start_trial(
        spec, trial, other
    ).advance()  # the report before was lost: it is made again
    assert progress.report is not None
    assert progress.report.update == 2
    (ended,) = run_here(make_conductor(spec, other), other).trials
    assert torch.equal(best_theta(other, ended), best_theta(registry, whole))
    assert [r.validation_loss for r in ended.reports] == [r.validation_loss for r in whole.reports]


def test_a_finished_trial_whose_last_report_was_lost_reports_again(registry: Registry) -> None:
    spec = tiny_study(limits={"trials": 1})
    trial = make_conductor(spec, registry).begin_trial()
    assert trial is not None
    first = start_trial(spec, trial, registry)
    while not (last := first.advance()).finished:
        pass
    (again,) = run_here(make_conductor(spec, registry), registry).trials
    assert last.report is not None
    assert again.state == "completed"
    assert again.reports[-1].validation_loss == last.report.validation_loss


def test_theta_knows_its_study(registry: Registry) -> None:
    (trial,) = run_here(make_conductor(tiny_study(limits={"trials": 1}), registry), registry).trials
    assert trial.run_id is not None
    lineage = Theta.from_bytes(registry.get_artifact(trial.run_id, THETA_PATH)).provenance
    assert lineage["job"] == "job_1"
    assert lineage["study"] == {"job": "job_1", "trial": 0, "values": trial.values}
    assert lineage["spec"]["meta_optimizer"]["rate"] == trial.values["meta_optimizer.rate"]


def test_a_suite_scores_the_finished_theta(registry: Registry) -> None:
    spec = tiny_study(
        limits={"trials": 1},
        objective={"kind": "suite", "suite": "table1", "n_starts": 2, "horizon": 3},
    )
    (trial,) = run_here(make_conductor(spec, registry), registry).trials
    assert trial.score is not None
    assert 1 < trial.score < 4
    assert Ledger.load(registry, registry.open_run("job_1", name="")).trials[0].score == trial.score
