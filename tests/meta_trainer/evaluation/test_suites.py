"""Every suite at its quick size as a job runs it; what a spec takes from its suite; measures on a
test split."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.datasets import Dataset, load
from meta_trainer.evaluation import EvaluationData, Report, TuningCache, evaluate
from meta_trainer.evaluation.cells import Setting, run_learned
from meta_trainer.evaluation.report import Row
from meta_trainer.evaluation.reporting import report_to_json
from meta_trainer.evaluation.reporting.charts import draw_along_axis
from meta_trainer.evaluation.reporting.styles import render_png
from meta_trainer.evaluation.testing import measure_on_test
from meta_trainer.evaluation.tuning import Tuned
from meta_trainer.learners import CNN, MLP
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import SUITES
from tests.meta_trainer.evaluation.conftest import files_of

pytestmark = pytest.mark.slow

LOSS_SUITES = sorted(
    {
        suite.name
        for suite in SUITES.values()
        if suite.measure == "final loss" and suite.learners and not suite.varied
    }
)
ABLATIONS = sorted(suite.name for suite in SUITES.values() if suite.varied)


class KnownRates(TuningCache):
    """A machine on which every rate was tuned before: tuning has its own tests."""

    def get(self, content: Mapping[str, Any]) -> Tuned:
        return Tuned(0.01, False, ((0.01, 1.0 / content["ladder"][-1]),))


def quick_spec(suite: str, **fields: Any) -> EvaluationSpec:
    optimizers = ["hyperadam@1", "hyperadam@2"] if suite in ABLATIONS else ["hyperadam@1"]
    return EvaluationSpec.model_validate(
        {"optimizers": optimizers, "suite": suite, "quick": True, **fields}
    )


def data_of(spec: EvaluationSpec) -> EvaluationData:
    """Embedded images stand in for MNIST, which is not everywhere: every hundredth is the test
    split."""
    if spec.dataset == "mnist5k":
        return EvaluationData.load(spec)
    images = replace(load("mnist5k"), name=spec.dataset)
    test = replace(images, split="test", images=images.images[::100], labels=images.labels[::100])
    return EvaluationData({spec.dataset: images}, test)


def run(spec: EvaluationSpec, theta: Theta) -> Report:
    return evaluate(
        spec,
        {"hyperadam@1": theta},
        data_of(spec),
        InProcessRunner(),
        LogRecorder(),
        cache=KnownRates(),
    )


def numbers(report: Report) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(
        json.dumps(report_to_json(report), allow_nan=False), parse_constant=pytest.fail
    )
    return result


@pytest.mark.parametrize("suite", LOSS_SUITES)
def test_every_suite_gives_finite_losses_for_every_task(suite: str, theta: Theta) -> None:
    report = run(quick_spec(suite), theta)
    result = numbers(report)
    assert report.tasks == [task.name for task in report.spec.tasks]
    assert [row["optimizer"] for row in result["rows"]] == ["hyperadam@1", "adam"] * len(
        report.tasks
    )
    assert all(math.isfinite(row["mean"]) and row["n_diverged"] == 0 for row in result["rows"])
    for task in report.spec.tasks:
        curves = result["curves"][task.name]
        assert result["task_steps"][task.name] == list(range(task.horizon))
        assert {len(curve["mean"]) for curve in curves.values()} == {task.horizon}
        assert (
            len({curve["mean"][0] for curve in curves.values()}) == 1
        )  # the same starts and minibatches
    assert result["curve_steps"] == list(range(report.spec.horizon))
    assert {row["ratio"] for row in result["rows"]} == {None}
    assert all(bool(row["test"]) == SUITES[suite].with_test for row in result["rows"])


@pytest.mark.parametrize("suite", ["table2", "table3"])
def test_the_same_spec_gives_the_same_numbers(suite: str, theta: Theta) -> None:
    spec = quick_spec(suite, horizon=2)
    first, second = (numbers(run(spec, theta)) for _ in range(2))
    assert first == second
    assert first != numbers(run(quick_spec(suite, horizon=2, seed=2), theta))


@pytest.mark.parametrize("suite", ["table2", "longer"])
def test_divergence_is_counted(suite: str, theta: Theta) -> None:
    rows = numbers(run(quick_spec(suite), Theta(theta.rule, theta.tensors, rate=Rate(lr=1e30))))[
        "rows"
    ]
    wild = [row for row in rows if row["kind"] == "learned"]
    assert all(row["n_diverged"] or row["mean"] > 1e20 for row in wild)
    assert any(
        (row["n_diverged"], row["mean"], row["finals"]) == (2, None, [None] * 2) for row in wild
    )
    assert all(
        row["mean"] is not None and row["difference"] is None
        for row in rows
        if row["kind"] == "baseline"
    )


def test_table3_measures_on_the_test_split(theta: Theta) -> None:
    files = files_of(run(quick_spec("table3", horizon=2), theta))
    assert {"result.json", "report.md", "report.html", "curves.png"} <= set(files)
    rows = json.loads(files["result.json"])["rows"]
    assert all(0 <= row["test"]["top1"]["mean"] <= row["test"]["top2"]["mean"] <= 1 for row in rows)
    report = files["report.md"].decode()
    assert "quick size" in report
    assert "paper" not in report  # whose task is not of this size


def test_the_papers_measures_stand_below_ours_where_the_task_is_its_own(theta: Theta) -> None:
    spec = EvaluationSpec(optimizers=("hyperadam@1",), suite="table3", baselines=(), n_starts=2)
    values = torch.ones(2, dtype=torch.float64)
    rows = [
        Row(
            task=task.name,
            optimizer="hyperadam@1",
            kind="learned",
            rate=Rate(lr=0.1),
            finals=values,
            curves=values[None],
            test=torch.full((2, 3), 0.5, dtype=torch.float64),
        )
        for task in spec.tasks
    ]
    report = Report(spec, SUITES["table3"], "mnist", "ab" * 32, rows)
    page = files_of(report)["report.md"].decode()
    assert "| cnn-1 | paper: HyperAdam | 0.05 | 98.48% | 99.63% |" in page


def test_timing_is_beside_adam(theta: Theta) -> None:
    report = run(quick_spec("timing", baselines=["sgd", "adam"], n_starts=3), theta)
    rows = {row["optimizer"]: row for row in numbers(report)["rows"]}
    assert set(rows) == {"hyperadam@1", "sgd", "adam"}
    assert all(len(row["finals"]) == 3 and min(row["finals"]) > 0 for row in rows.values())
    assert rows["adam"]["ratio"] == {"mean": 1.0, "stderr": 0.0}
    assert rows["sgd"]["ratio"]["mean"] > 0
    assert (report_to_json(report)["measure"], report_to_json(report)["curve_steps"]) == (
        "seconds per update",
        [],
    )
    files = files_of(report)
    assert {"result.json", "report.md", "report.html", "seconds.png"} <= set(files)
    assert "3.30 ms" in files["report.md"].decode()


def test_depth_has_a_picture_of_its_own(theta: Theta) -> None:
    report = run(quick_spec("deep-mlp", horizon=1), theta)
    assert render_png(draw_along_axis(report)).startswith(b"\x89PNG\r\n\x1a\n")
    assert render_png(draw_along_axis(report)) == render_png(draw_along_axis(report))


@pytest.mark.parametrize("learner", [MLP((784, 5, 10), "tanh"), CNN("cnn-1", (1, 28, 28), 10)])
def test_measures_are_what_counting_gives(learner: Any) -> None:
    whole = load("mnist5k")
    test = Dataset(
        "mnist", "test", whole.images[::9], whole.labels[::9], 10
    )  # more than one batch, the last one short
    w = torch.randn(3, learner.n_coordinates, generator=torch.Generator().manual_seed(1)) * 0.1
    w[1] = math.nan
    measured = measure_on_test(learner, w, test).numpy()
    assert np.isnan(measured[1]).all()
    for i in (0, 2):
        inputs, targets = test.minibatch(torch.arange(len(test)))
        logits = learner.logits(w[i : i + 1], inputs[None])[0].double().numpy()
        labels = targets.numpy()
        shifted = logits - logits.max(1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]
        order = np.argsort(-logits, axis=1)
        right = [(order[:, :k] == labels[:, None]).any(1).mean() for k in (1, 2)]
        assert measured[i] == pytest.approx([losses.mean(), *right], rel=1e-5)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("suite", sorted(SUITES))
def test_a_stored_spec_is_complete(suite: str, quick: bool) -> None:
    spec = quick_spec(suite, quick=quick)
    stored = spec.model_dump(mode="json")
    assert EvaluationSpec.model_validate(stored) == spec
    size = SUITES[suite].quick if quick else SUITES[suite].size
    assert (stored["horizon"], stored["n_starts"], stored["dataset"]) == (
        size.horizon,
        size.n_starts,
        size.dataset,
    )
    assert len({task.name for task in spec.tasks}) == len(spec.tasks)
    assert set(SUITES[suite].paper) | set(SUITES[suite].paper_test) <= set(SUITES[suite].learners)
    assert set(SUITES[suite].also_on) <= set(SUITES[suite].learners)


def test_the_suite_gives_way_to_the_spec() -> None:
    spec = quick_spec("longer", horizon=100, dataset="fashion_mnist", baselines=["sgd"])
    assert {(task.name, task.horizon) for task in spec.tasks} >= {
        ("mlp-9-20", 20),
        ("mlp-9-100", 100),
    }
    assert {getattr(task.learner, "dataset", "made up") for task in spec.tasks} == {
        "fashion_mnist",
        "made up",
    }
    assert spec.baselines == ("sgd",)


@pytest.mark.parametrize(
    ("suite", "n_learners", "n_also"), [("cnn-100", 6, 6), ("longer", 6, 2), ("unseen", 10, 4)]
)
def test_some_also_run_on_cifar10_where_it_is_full_size(
    suite: str, n_learners: int, n_also: int
) -> None:
    def datasets(**fields: Any) -> list[str]:
        return [
            getattr(task.learner, "dataset", "made up")
            for task in quick_spec(suite, **fields).tasks
        ]

    full = datasets(quick=False)
    assert (len(full), full.count("cifar10")) == (n_learners + n_also, n_also)
    assert "cifar10" not in datasets()
    assert len(datasets(quick=False, dataset="cifar10")) == n_learners  # not twice on the same data


def test_some_of_a_suite_have_the_numbers_that_they_have_in_the_whole(theta: Theta) -> None:
    part = quick_spec("table2", learners=["2-layer"])
    assert [task.name for task in part.tasks] == ["2-layer"]
    assert [task.name for task in quick_spec("longer", learners=["mlp-9"]).tasks] == [
        "mlp-9-2",
        "mlp-9-10",
    ]
    whole = numbers(run(quick_spec("table2"), theta))["rows"]
    assert numbers(run(part, theta))["rows"] == [row for row in whole if row["task"] == "2-layer"]


def test_learned_optimizers_run_a_stream_once(theta: Theta, recorder: Any) -> None:
    spec = quick_spec("longer", horizon=5)
    data = data_of(spec)
    report = evaluate(
        spec, {"hyperadam@1": theta}, data, InProcessRunner(), recorder, cache=KnownRates()
    )
    labels = [content["label"] for kind, content in recorder.events if kind == "cell"]
    assert [label for label in labels if "mlp-9" in label] == [
        "mlp-9-1 and mlp-9-5: hyperadam@1",
        "mlp-9-1: adam",
        "mlp-9-5: adam",
    ]
    of = {(row.task, row.optimizer): row for row in report.rows}
    for name in ("mlp-9", "lstm-2", "cnn-2"):
        short, long = of[f"{name}-1", "hyperadam@1"], of[f"{name}-5", "hyperadam@1"]
        assert torch.equal(short.curves, long.curves[:1])
        assert not torch.equal(short.finals, long.finals)
        alone = alone_for_one_step(spec, theta, data, name)
        torch.testing.assert_close(short.finals, alone, rtol=1e-6, atol=0)


def alone_for_one_step(
    spec: EvaluationSpec, theta: Theta, data: EvaluationData, name: str
) -> torch.Tensor:
    """Final losses of a learned optimizer that is run for one step alone."""
    task = next(task for task in spec.tasks if task.stream == name)
    setting = Setting(task.learner, task.stream, spec.seed)
    arguments = (asdict(theta.rule.spec), theta.vector, theta.rate)
    (outcome,) = run_learned(setting, data, range(spec.n_starts), [1], *arguments)
    return outcome.final_losses


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"suite": "table9"}, "suite must be one of"),
        ({"suite": ["table1"]}, "suite"),
        ({"suite": "table3", "dataset": "mnist5k"}, "dataset mnist5k has no test split"),
        ({"suite": "timing", "baselines": ["sgd"]}, "baselines must contain adam"),
        (
            {"suite": "longer", "learners": ["mlp-9", "mlp-8"]},
            "learners must be of the suite longer, .* got 'mlp-8'",
        ),
        (
            {"suite": "longer", "learners": ["cnn-2-cifar10"], "quick": True},
            "learners must be of the suite longer",
        ),
        ({"suite": "longer", "learners": ["mlp-9", "mlp-9"]}, "learners must differ"),
        (
            {"suite": "all", "learners": ["mlp-9"]},
            "learners must be of the suite all, .* other suites",
        ),
        ({"quick": "yes"}, "quick"),
    ],
)
def test_a_wrong_spec_names_the_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EvaluationSpec.model_validate({"optimizers": ["hyperadam@1"], **fields})
