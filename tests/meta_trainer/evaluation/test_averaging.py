"""Evaluations whose runs give an average of their newest weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData, OutcomeCache, Report, TuningCache, evaluate
from meta_trainer.evaluation.reporting import summarize_report
from meta_trainer.evaluation.reporting.introduction import write_introduction
from meta_trainer.evaluation.reporting.origin import write_command
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from tests.meta_trainer.evaluation.conftest import evaluation_spec

FIELDS: dict[str, Any] = {
    "n_starts": 2,
    "n_tuning_starts": 1,
    "horizon": 8,
    "learners": ["relu"],
    "baselines": ["adam", "schedule-free"],
}
DATA = EvaluationData.load(evaluation_spec(**FIELDS))


@pytest.fixture(scope="module")
def reports(theta: Theta) -> dict[float, Report]:
    """By η; both with the same caches."""
    caches: dict[str, Any] = {"cache": TuningCache(), "outcome_cache": OutcomeCache()}
    return {
        eta: evaluate(
            evaluation_spec(**FIELDS, averaging=eta),
            {"hyperadam@1": theta},
            DATA,
            InProcessRunner(),
            LogRecorder(),
            **caches,
        )
        for eta in (0.0, 3.0)
    }


def test_it_is_what_learned_optimizers_and_tuned_baselines_give(
    reports: dict[float, Report],
) -> None:
    plain, averaged = ({row.optimizer: row for row in reports[eta].rows} for eta in (0.0, 3.0))
    assert torch.equal(plain["hyperadam@1"].curves, averaged["hyperadam@1"].curves)
    for name in ("hyperadam@1", "adam"):
        assert not torch.equal(plain[name].finals, averaged[name].finals)
    free = "schedule-free"  # it averages by itself
    assert torch.equal(plain[free].finals, averaged[free].finals)
    assert plain["adam"].tuned != averaged["adam"].tuned


def test_a_report_says_so(reports: dict[float, Report]) -> None:
    assert "η = 3" in write_introduction(reports[3.0])[0]
    assert "average" not in write_introduction(reports[0.0])[0]


def test_summaries_of_other_ways_to_run_are_not_compared(reports: dict[float, Report]) -> None:
    plain, averaged = (summarize_report(reports[eta], "hyperadam@1") for eta in (0.0, 3.0))
    assert averaged["settings"] == {**plain["settings"], "averaging": 3.0}
    assert "averaging" not in plain["settings"]


def test_a_changed_rate_is_another_way_to_run(theta: Theta) -> None:
    fields = {**FIELDS, "baselines": [], "rate": {"rest": 0.5}}
    spec = evaluation_spec(**fields)
    report = evaluate(spec, {"hyperadam@1": theta}, DATA, InProcessRunner(), LogRecorder())
    assert summarize_report(report, "hyperadam@1")["settings"]["rate.rest"] == 0.5


def test_a_command_says_so() -> None:
    assert "--averaging 3" in write_command(evaluation_spec(**FIELDS, averaging=3.0))
    assert "--averaging" not in write_command(evaluation_spec(**FIELDS))


@pytest.mark.parametrize("eta", [-1, 1001])
def test_an_eta_out_of_bounds_is_refused(eta: float) -> None:
    with pytest.raises(ValueError, match="averaging"):
        evaluation_spec(**FIELDS, averaging=eta)


def test_there_is_none_where_times_are_compared() -> None:
    with pytest.raises(ValueError, match="averaging must be 0 in the suite timing"):
        EvaluationSpec.model_validate({"optimizers": ["a@1"], "suite": "timing", "averaging": 1})
    every = EvaluationSpec.model_validate({"optimizers": ["a@1"], "suite": "all", "averaging": 1})
    averaging = {section.suite: section.averaging for section in every.sections}
    assert averaging == {suite: float(suite != "timing") for suite in averaging}
