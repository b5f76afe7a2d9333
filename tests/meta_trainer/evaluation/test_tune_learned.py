"""A learned optimizer at an α tuned for each task, beside itself at its own."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData, Report, TuningCache, evaluate
from meta_trainer.evaluation.cells import Setting
from meta_trainer.evaluation.reporting import summarize_report
from meta_trainer.learners import Shapes
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import SUITES
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.optimizers import Learned
from meta_trainer.unrolls.rollout import rollout
from tests.meta_trainer.evaluation.conftest import evaluation_spec, files_of

FIELDS: dict[str, Any] = {
    "n_starts": 3,
    "n_tuning_starts": 2,
    "horizon": 8,
    "learners": ["sigmoid", "relu"],
}
DATA = EvaluationData.load(evaluation_spec(**FIELDS))
TUNED = "hyperadam@1, α tuned"


class Slope(Optimizee):
    """Losses Σ w² / 2 of learners that begin at 1, and weights of 100 inputs."""

    def __init__(self, n: int) -> None:
        self._n = n

    def start(self) -> torch.Tensor:
        return torch.ones(self._n, 100)

    @property
    def shapes(self) -> Shapes:
        return [(1, 100)]

    def losses(self, w: torch.Tensor, step: int) -> torch.Tensor:
        return 0.5 * (w * w).sum(1)

    def losses_and_gradients(self, w: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.losses(w, step), w


def test_learners_at_rates_of_their_own_move_as_if_alone(theta: Theta) -> None:
    schedule = Rate(lr=0.7, warmup_steps=3, decay_after=4, base_fan_in=50)
    both = rollout(
        Learned(theta.rule, theta.vector, schedule, [0.01, 0.003]), Slope(2), 6
    ).parameters
    for i, lr in enumerate((0.01, 0.003)):
        alone = rollout(
            Learned(theta.rule, theta.vector, replace(schedule, lr=lr)), Slope(1), 6
        ).parameters
        torch.testing.assert_close(both[i], alone[0], rtol=1e-6, atol=0)
    assert not torch.equal(both[0], both[1])


@pytest.fixture(scope="module")
def scheduled(theta: Theta) -> Theta:
    """With a rate that is far too small, and rises."""
    return Theta(theta.rule, theta.tensors, Rate(lr=1e-4, warmup_steps=4))


@pytest.fixture(scope="module")
def cache() -> TuningCache:
    return TuningCache()


@pytest.fixture(scope="module")
def report(scheduled: Theta, cache: TuningCache) -> Report:
    spec = evaluation_spec(**FIELDS, tune_learned=True)
    return evaluate(
        spec, {"hyperadam@1": scheduled}, DATA, InProcessRunner(), LogRecorder(), cache=cache
    )


@pytest.mark.slow
def test_it_is_a_row_of_its_own_and_changes_no_other(
    report: Report, scheduled: Theta, cache: TuningCache
) -> None:
    names = ["hyperadam@1", TUNED, "adam", "sgd"]
    assert [row.optimizer for row in report.rows] == names * 2
    assert [row.kind for row in report.of_task("relu")] == [
        "learned",
        "learned",
        "baseline",
        "baseline",
    ]
    spec = evaluation_spec(**FIELDS)
    plain = evaluate(
        spec, {"hyperadam@1": scheduled}, DATA, InProcessRunner(), LogRecorder(), cache=cache
    )
    others = [row for row in report.rows if row.optimizer != TUNED]
    for row, other in zip(others, plain.rows, strict=True):
        assert (row.task, row.optimizer, row.rate) == (other.task, other.optimizer, other.rate)
        assert torch.equal(row.finals, other.finals)


@pytest.mark.slow
def test_its_rate_is_the_best_of_its_trials_on_other_starts(
    report: Report, scheduled: Theta
) -> None:
    """Each trial is what a run of the tuning starts at that α alone gives, under Θ's own
    schedule."""
    for task in report.spec.tasks:
        own, row = report.of_task(task.name)[:2]
        assert row.tuned is not None
        assert own.tuned is None
        losses = {rate: math.inf if loss is None else loss for rate, loss in row.tuned.trials}
        assert row.rate == replace(scheduled.rate, lr=min(losses, key=losses.__getitem__))
        assert row.rate.lr > 10 * own.rate.lr
        assert row.final.mean < own.final.mean
        starts = Setting(task.learner, task.stream, report.spec.seed).tuning_optimizee(
            DATA.train, 2, 1
        )
        learned = Learned(scheduled.rule, scheduled.vector, row.rate)
        alone = rollout(learned, starts, task.horizon).final_losses.mean()
        assert losses[row.rate.lr] == pytest.approx(float(alone), rel=1e-4)


@pytest.mark.slow
def test_reports_say_so_and_versions_keep_their_own(report: Report) -> None:
    files = files_of(report)
    assert "beside it at one tuned in the same way (“α tuned”)" in files["report.md"].decode()
    rows = json.loads(files["result.json"], parse_constant=pytest.fail)["rows"]
    assert [bool(row["tuning"]) for row in rows[:4]] == [False, True, True, True]
    assert (
        summarize_report(report, "hyperadam@1")["tasks"]["relu"]["mean"]
        == report.of_task("relu")[0].final.mean
    )
    assert report.optimizers[0] == "hyperadam@1"


@pytest.mark.slow
def test_a_stream_of_two_horizons_is_tuned_at_each(theta: Theta, recorder: Any) -> None:
    spec = EvaluationSpec.model_validate(
        {
            "optimizers": ["a@1"],
            "suite": "longer",
            "learners": ["lstm-2"],
            "quick": True,
            "tune_learned": True,
        }
    )
    report = evaluate(spec, {"a@1": theta}, EvaluationData.load(spec), InProcessRunner(), recorder)
    found = [row for row in report.rows if row.optimizer == "a@1, α tuned"]
    assert [row.task for row in found] == ["lstm-2-2", "lstm-2-10"]
    assert all(row.tuned is not None and len(row.tuned.trials) >= 5 for row in found)
    labels = [data["label"] for kind, data in recorder.events if kind == "cell"]
    assert labels.count("lstm-2: tune a@1, α tuned") == 1
    assert labels.count("lstm-2-2 and lstm-2-10: a@1") == 2


def test_where_no_rate_matters_it_is_refused_and_all_leaves_it_out() -> None:
    with pytest.raises(ValueError, match="tune_learned must not be true in the suite timing"):
        EvaluationSpec.model_validate(
            {"optimizers": ["a@1"], "suite": "timing", "tune_learned": True}
        )
    spec = EvaluationSpec.model_validate(
        {"optimizers": ["a@1"], "suite": "all", "tune_learned": True}
    )
    assert {section.suite: section.tune_learned for section in spec.sections} == {
        suite.name: suite.measure == "final loss"
        for suite in SUITES.values()
        if suite.learners and not suite.varied
    }
