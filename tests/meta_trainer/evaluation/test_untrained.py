"""What meta-training added: a Θ's own start is made again from its file, and runs beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import hyperadam
import pytest
import torch
from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData, Report, evaluate
from meta_trainer.evaluation.reporting import summarize_report
from meta_trainer.evaluation.untrained import StartUnknown, rebuild_start
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec, PromotionSpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.training.adjustment import adjust_theta
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule
from tests.meta_trainer.evaluation.conftest import evaluation_spec, files_of

SMALL = {"rule": {"n_candidates": 3}, "seed": 7}
ADJUSTED = {"adjustment": {"memory": -0.4, "tilt": -1.0, "response": 1.5}}


def trained(fields: Mapping[str, Any], parent: Theta | None = None) -> Theta:
    """As if a job of these fields had moved its start by a little."""
    spec = MetaTrainingSpec.model_validate(fields)
    start = make_initial_theta(spec, parent)
    provenance = {
        "spec": spec.model_dump(mode="json"),
        "parent": {"version": spec.parent, "sha256": parent.sha256} if parent else None,
    }
    return Theta.from_vector(
        make_rule(spec.rule), start + 0.05, rate=spec.unroll.rate, provenance=provenance
    )


def find_none(reference: str) -> Theta | None:
    return None


def test_a_fresh_start_is_that_of_the_spec_and_its_seed() -> None:
    theta = trained(SMALL)
    start = rebuild_start(theta, find_none)
    assert torch.equal(start.vector, make_initial_theta(MetaTrainingSpec.model_validate(SMALL)))
    assert (start.rule.spec, start.rate) == (theta.rule.spec, theta.rate)


def test_a_warm_start_goes_back_to_the_root_and_is_adjusted_as_its_jobs_were() -> None:
    root = trained(SMALL)
    child = trained({**SMALL, **ADJUSTED, "parent": "root@3"}, root)
    start = rebuild_start(child, lambda reference: root if reference == "root@3" else None)
    fresh = rebuild_start(root, find_none)
    adjustment = MetaTrainingSpec.model_validate(ADJUSTED).adjustment
    expected = child.rule.pack(adjust_theta(fresh.tensors, adjustment))
    assert torch.equal(start.vector, expected)


def test_a_parent_of_the_package_needs_no_registry() -> None:
    child = hyperadam.pretrained("hyperadam-v1")
    start = rebuild_start(child, find_none)
    first_start = rebuild_start(hyperadam.pretrained("hyperadam-v0"), find_none)
    spec = MetaTrainingSpec.model_validate(child.provenance["spec"])
    expected = child.rule.pack(adjust_theta(first_start.tensors, spec.adjustment))
    assert torch.equal(start.vector, expected)
    assert start.rate == child.rate


@pytest.mark.parametrize("is_registered", [False, True])
def test_a_parent_that_is_not_at_hand_is_named(is_registered: bool) -> None:
    """Nor is another Θ under the same reference taken for it."""
    child = trained({**SMALL, "parent": "root@3"}, trained(SMALL))
    other = trained({**SMALL, "seed": 8}) if is_registered else None
    with pytest.raises(StartUnknown, match=r"its parent root@3 \([0-9a-f]{12}\) is not at hand"):
        rebuild_start(child, lambda _: other)


@pytest.mark.parametrize(
    ("provenance", "reason"),
    [
        ({}, "does not say how it was trained"),
        ({"spec": 3}, "does not say how it was trained"),
        ({"spec": {"rule": 3}}, "not valid today"),
        ({"spec": {}, "continued_from": {"job": "job_a", "update": 3}}, "another job's checkpoint"),
        ({"spec": {"parent": "a@1"}}, "does not say which Θ it was trained from"),
    ],
)
def test_a_file_that_does_not_say_enough_says_why(
    provenance: dict[str, Any], reason: str, theta: Theta
) -> None:
    with pytest.raises(StartUnknown, match=reason):
        rebuild_start(replace(theta, provenance=provenance), find_none)


def test_it_is_on_at_full_size_where_losses_are_compared() -> None:
    def read(**fields: Any) -> bool:
        return EvaluationSpec.model_validate({"optimizers": ["a@1"], **fields}).untrained

    assert read()
    assert read(suite="all")
    assert not read(quick=True)
    assert read(quick=True, untrained=True)
    assert not read(suite="timing")
    with pytest.raises(ValueError, match="untrained must not be true in the suite timing"):
        read(suite="timing", untrained=True)
    assert not PromotionSpec().evaluation(("a@1", "a@2")).untrained
    assert not SuiteObjective(quick=False).evaluation("a@1").untrained


def test_sections_of_all_have_it_where_losses_are_compared() -> None:
    spec = EvaluationSpec.model_validate({"optimizers": ["a@1"], "suite": "all"})
    of_sections = {section.suite: section.untrained for section in spec.sections}
    assert [name for name, has in of_sections.items() if not has] == ["timing"]
    without = EvaluationSpec.model_validate({**spec.model_dump(), "untrained": False})
    assert not any(section.untrained for section in without.sections)


FIELDS: dict[str, Any] = {
    "n_starts": 3,
    "horizon": 4,
    "learners": ["sigmoid", "relu"],
    "baselines": ["adam"],
}


@pytest.fixture(scope="module")
def report(theta: Theta) -> Report:
    """One Θ whose start is known, one whose is not, and both at a tuned α beside."""
    thetas = {"a@1": trained(SMALL), "b@1": theta}
    spec = evaluation_spec(**FIELDS, optimizers=list(thetas), tune_learned=True)
    data = EvaluationData.load(spec)
    return evaluate(spec, thetas, data, InProcessRunner(), LogRecorder())


@pytest.mark.slow
def test_a_start_has_rows_of_its_own(report: Report) -> None:
    names = [row.optimizer for row in report.of_task("relu")]
    assert names == [
        "a@1",
        "b@1",
        "a@1, α tuned",
        "b@1, α tuned",
        "a@1, untrained",
        "a@1, untrained, α tuned",
        "adam",
    ]
    rows = {row.optimizer: row for row in report.of_task("relu")}
    assert rows["a@1, untrained"].rate == rows["a@1"].rate
    assert rows["a@1, untrained, α tuned"].tuned is not None
    assert torch.equal(rows["a@1, untrained"].curves[0], rows["a@1"].curves[0])
    assert not torch.equal(rows["a@1, untrained"].finals, rows["a@1"].finals)


@pytest.mark.slow
def test_the_start_runs_as_a_theta_of_its_own_would(report: Report) -> None:
    start = rebuild_start(trained(SMALL), find_none)
    spec = evaluation_spec(**FIELDS, optimizers=["start@1"], untrained=False)
    data = EvaluationData.load(spec)
    alone = evaluate(spec, {"start@1": start}, data, InProcessRunner(), LogRecorder())
    for task in ("sigmoid", "relu"):
        rows = {row.optimizer: row for row in report.of_task(task)}
        assert torch.equal(rows["a@1, untrained"].finals, alone.of_task(task)[0].finals)


@pytest.mark.slow
def test_the_gain_is_over_the_better_start_start_by_start(report: Report) -> None:
    rows = {row.optimizer: row for row in report.of_task("sigmoid")}
    starts = [rows["a@1, untrained"], rows["a@1, untrained, α tuned"]]
    better = min(starts, key=lambda row: float(row.finals.mean()))
    for name in ("a@1", "a@1, α tuned"):
        gain = report.compare_with_untrained(rows[name])
        assert gain is not None
        assert gain.other is better
        mean = (rows[name].finals - better.finals).mean()
        assert gain.paired.mean == pytest.approx(float(mean))
    others = ["b@1", "a@1, untrained", "adam"]
    assert {report.compare_with_untrained(rows[name]) for name in others} == {None}


@pytest.mark.slow
def test_reports_and_summaries_say_it(report: Report) -> None:
    files = files_of(report)
    result = json.loads(files["result.json"])
    reason = "its file does not say how it was trained"
    assert result["unknown_starts"] == {"b@1": reason}
    gained = {row["optimizer"]: row["gained"] for row in result["rows"] if row["task"] == "relu"}
    assert [name for name, gain in gained.items() if gain] == ["a@1", "a@1, α tuned"]
    assert set(gained["a@1"]) == {"to", "mean", "stderr", "verdict"}
    page = files["report.md"].decode()
    assert "gained by meta-training" in page
    assert f"What b@1 was before meta-training is not known: {reason}." in page
    assert "itself untrained" in page
    assert (
        summarize_report(report, "a@1")["tasks"]["relu"]["gained"]["verdict"]
        == (gained["a@1"]["verdict"])
    )
    assert summarize_report(report, "b@1")["tasks"]["relu"]["gained"] is None
