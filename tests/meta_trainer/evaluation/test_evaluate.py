"""The evaluation as a job runs it, on real images: protocol, pairing, divergence, progress,
stopping, tuning kept."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hyperadam.rates import KNOBS, Rate
from hyperadam.theta import Theta
from torch import Tensor

from meta_trainer.evaluation import EvaluationData, Report, TuningCache, evaluate, plan
from meta_trainer.evaluation.cells import Setting
from meta_trainer.evaluation.report import Row
from meta_trainer.evaluation.reporting import report_to_json
from meta_trainer.learners.mlp import ACTIVATION_FUNCTIONS
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.training.result import Stopped
from tests.meta_trainer.evaluation.conftest import evaluation_spec, files_of

pytestmark = pytest.mark.slow

DATA = EvaluationData.load(evaluation_spec())
TASKS = ("sigmoid", "relu", "elu", "tanh")


@pytest.fixture(scope="module")
def cache() -> TuningCache:
    return TuningCache()


@pytest.fixture(scope="module")
def report(tiny_spec: EvaluationSpec, theta: Theta, cache: TuningCache) -> Report:
    return evaluate(
        tiny_spec, {"hyperadam@1": theta}, DATA, InProcessRunner(), LogRecorder(), cache=cache
    )


def setting_of(spec: EvaluationSpec, name: str) -> Setting:
    task = next(task for task in spec.tasks if task.name == name)
    return Setting(task.learner, task.stream, spec.seed)


def of(report: Report, task: str, optimizer: str) -> Row:
    (row,) = [row for row in report.rows if (row.task, row.optimizer) == (task, optimizer)]
    return row


def test_rows_go_task_by_task_learned_first(report: Report) -> None:
    optimizers = ("hyperadam@1", "adam", "sgd")
    assert [(row.task, row.optimizer) for row in report.rows] == [
        (t, o) for t in TASKS for o in optimizers
    ]
    assert {row.kind for row in report.rows if row.optimizer == "hyperadam@1"} == {"learned"}
    assert {(tuple(row.finals.shape), tuple(row.curves.shape)) for row in report.rows} == {
        ((5,), (3, 5))
    }


@pytest.mark.parametrize("task", TASKS)
def test_all_optimizers_begin_at_the_same_starts(report: Report, task: str) -> None:
    first = [row.curves[0] for row in report.of_task(task)]
    assert all(torch.allclose(losses, first[0], rtol=1e-6) for losses in first)
    assert len(set(first[0].tolist())) == 5


@pytest.mark.parametrize("task", TASKS)
def test_a_baseline_is_what_a_plain_training_loop_gives(
    report: Report, tiny_spec: EvaluationSpec, task: str
) -> None:
    """One start, with nothing of ours but the images, the start and the indices of the
    minibatches."""
    row, start = of(report, task, "adam"), 3
    setting = setting_of(tiny_spec, task)
    optimizee: Any = setting.optimizee(DATA.train, range(start, start + 1))
    flat = torch.nn.Parameter(optimizee.start()[0])
    optimizer = torch.optim.Adam([flat], lr=row.rate.lr)

    def loss(step: int) -> torch.Tensor:
        (x,), (y,) = optimizee.draw_minibatch(step)
        hidden_weight, hidden_bias, weight, bias = flat.split([784 * 20, 20, 20 * 10, 10])
        hidden = ACTIVATION_FUNCTIONS[task](x @ hidden_weight.view(784, 20) + hidden_bias)
        return F.cross_entropy(hidden @ weight.view(20, 10) + bias, y)

    for step in range(3):
        optimizer.zero_grad()
        value = loss(step)
        value.backward()
        optimizer.step()
        assert float(row.curves[step, start]) == pytest.approx(float(value.detach()), rel=1e-5)
    with torch.no_grad():
        final = sum(float(loss(step)) for step in range(3)) / 3
    assert float(row.finals[start]) == pytest.approx(final, rel=1e-5)


def test_tuning_never_sees_the_starts_that_are_reported(tiny_spec: EvaluationSpec) -> None:
    setting = setting_of(tiny_spec, "sigmoid")
    reported = setting.optimizee(DATA.train, range(2)).start()
    tuning = setting.tuning_optimizee(DATA.train, n_starts=2, n_copies=2).start()
    assert torch.equal(tuning[:2], tuning[2:])
    assert not torch.isclose(reported, tuning[:2]).all(1).any()


def test_the_result_is_the_same_however_starts_are_cut_into_cells(
    report: Report,
    tiny_spec: EvaluationSpec,
    theta: Theta,
    cache: TuningCache,
    monkeypatch: pytest.MonkeyPatch,
    recorder: Any,
) -> None:
    monkeypatch.setattr(plan, "LEARNED_STARTS_PER_CELL", 3)
    monkeypatch.setattr(plan, "BASELINE_STARTS_PER_CELL", 2)
    again = evaluate(
        tiny_spec, {"hyperadam@1": theta}, DATA, InProcessRunner(), recorder, cache=cache
    )
    assert all(
        torch.allclose(a.finals, b.finals, rtol=1e-5)
        for a, b in zip(report.rows, again.rows, strict=True)
    )
    cells = [data for kind, data in recorder.events if kind == "cell"]
    assert [cell["done"] for cell in cells] == list(range(1, len(cells) + 1))
    assert {cell["total"] for cell in cells} == {4 * (2 + 3 + 3)}


def test_the_same_spec_gives_the_same_files_with_or_without_kept_rates(
    report: Report, tiny_spec: EvaluationSpec, theta: Theta, recorder: Any
) -> None:
    again = evaluate(tiny_spec, {"hyperadam@1": theta}, DATA, InProcessRunner(), recorder)
    assert files_of(again)["result.json"] == files_of(report)["result.json"]


def test_progress_counts_every_cell_and_kept_rates_need_none(
    tiny_spec: EvaluationSpec, theta: Theta, report: Report, cache: TuningCache, recorder: Any
) -> None:
    evaluate(tiny_spec, {"hyperadam@1": theta}, DATA, InProcessRunner(), recorder, cache=cache)
    cells = [data for kind, data in recorder.events if kind == "cell"]
    assert not [cell for cell in cells if "tune" in cell["label"]]
    assert [cell["label"] for cell in cells[:4]] == [
        "sigmoid: hyperadam@1",
        "sigmoid: hyperadam@1",
        "sigmoid: adam",
        "sigmoid: sgd",
    ]
    progress = recorder.series("progress")
    assert progress[0] == 0.0
    assert progress[len(cells)] == 1.0
    assert list(progress.values()) == sorted(progress.values())


def test_an_evaluation_stops_between_two_cells(
    tiny_spec: EvaluationSpec, theta: Theta, recorder: Any
) -> None:
    def should_stop() -> bool:
        return len([kind for kind, _ in recorder.events if kind == "cell"]) >= 2

    with pytest.raises(Stopped):
        evaluate(tiny_spec, {"hyperadam@1": theta}, DATA, InProcessRunner(), recorder, should_stop)
    assert [kind for kind, _ in recorder.events] == ["cell", "cell", "stopped"]


def test_an_exploding_optimizer_is_a_result(
    tiny_spec: EvaluationSpec, theta: Theta, cache: TuningCache, recorder: Any
) -> None:
    wild = Theta(theta.rule, theta.tensors, rate=Rate(lr=1e30))
    both = {"wild@1": wild, "hyperadam@1": theta}
    files = files_of(evaluate(tiny_spec, both, DATA, InProcessRunner(), recorder, cache=cache))
    rows = json.loads(files["result.json"], parse_constant=pytest.fail)["rows"]
    by_name = {name: [row for row in rows if row["optimizer"] == name] for name in both}
    saturated = [row for row in by_name["wild@1"] if row["task"] in ("sigmoid", "tanh")]
    unbounded = [row for row in by_name["wild@1"] if row["task"] in ("relu", "elu")]
    assert [(row["n_diverged"], row["mean"], row["finals"]) for row in unbounded] == [
        (5, None, [None] * 5)
    ] * 2
    assert all(row["n_diverged"] or row["mean"] > 1e20 for row in saturated)
    assert [row["n_diverged"] for row in by_name["hyperadam@1"]] == [0] * 4
    assert all(row["difference"]["mean"] is not None for row in by_name["hyperadam@1"])


def test_a_warm_up_is_the_learned_optimizers_alone(
    report: Report, theta: Theta, cache: TuningCache, recorder: Any
) -> None:
    spec = evaluation_spec(warmup_steps=3)
    warm = evaluate(spec, {"hyperadam@1": theta}, DATA, InProcessRunner(), recorder, cache=cache)
    for row, other in zip(report.rows, warm.rows, strict=True):
        assert torch.equal(row.finals, other.finals) == (row.kind == "baseline")
        assert torch.equal(row.curves[0], other.curves[0])
    assert report_to_json(warm)["warmup_steps"] == 3
    said = b"Rates rise linearly over the first steps of hyperadam@1 (3). Seed 1"
    assert said in files_of(warm)["report.md"]
    assert said not in files_of(report)["report.md"]


def test_the_warm_up_is_that_of_theta_unless_one_is_asked_for(
    theta: Theta, cache: TuningCache, recorder: Any
) -> None:
    warm = Theta(theta.rule, theta.tensors, replace(theta.rate, warmup_steps=3))
    thetas = {"warm@1": warm, "cold@1": theta}
    own = evaluate(
        evaluation_spec(optimizers=list(thetas)),
        thetas,
        DATA,
        InProcessRunner(),
        recorder,
        cache=cache,
    )
    asked = evaluate(
        evaluation_spec(optimizers=list(thetas), warmup_steps=3),
        thetas,
        DATA,
        InProcessRunner(),
        recorder,
        cache=cache,
    )
    of = {(report, row.task, row.optimizer): row for report in (own, asked) for row in report.rows}
    for task in own.tasks:
        assert torch.equal(of[own, task, "warm@1"].finals, of[asked, task, "cold@1"].finals)
        assert not torch.equal(of[own, task, "cold@1"].finals, of[asked, task, "cold@1"].finals)
    assert [row["warmup_steps"] for row in report_to_json(own)["rows"][:3]] == [3, 0, 0]
    assert report_to_json(own)["warmup_steps"] is None
    assert b"Rates rise linearly over the first steps of warm@1 (3). " in files_of(own)["report.md"]


def test_a_schedule_is_that_of_theta_unless_one_is_asked_for(theta: Theta, recorder: Any) -> None:
    """Each field on its own; what the report says of it; and that it changes a run."""
    fields = dict(zip(KNOBS, (1, 0.6, 2, 0.5, 28, 3, 4, 2.0), strict=True))
    scheduled = Theta(theta.rule, theta.tensors, replace(theta.rate, **fields))
    thetas = {"own@1": scheduled, "none@1": theta}

    def run(**fields: Any) -> Report:
        spec = EvaluationSpec(
            optimizers=tuple(thetas), baselines=(), n_starts=2, horizon=5, rate=fields
        )
        return evaluate(spec, thetas, DATA, InProcessRunner(), recorder)

    own, same = run(), run(**fields)
    none = run(**dict.fromkeys(KNOBS, 0))
    others = (
        own,
        none,
        run(warmup_share=0),
        run(decay_after=0),
        run(rest=0),
        run(base_fan_in=0),
        run(least_fan_in=0),
        run(weight_decay=0),
    )
    of = {
        (report, row.task, row.optimizer): row.finals
        for report in (own, same, none)
        for row in report.rows
    }
    for task in own.tasks:
        assert torch.equal(of[own, task, "own@1"], of[same, task, "none@1"])
        assert torch.equal(of[own, task, "none@1"], of[none, task, "own@1"])
        finals = [run_of[task, "own@1"] for run_of in map(_finals, others)]
        assert not any(torch.equal(a, b) for a, b in itertools.combinations(finals, 2))
    rows = report_to_json(own)["rows"]
    assert [[row[name] for name in KNOBS] for row in rows[:2]] == [
        [1, 0.6, 2, 0.5, 28, 3, 4, 2.0],
        [0] * 8,
    ]
    page = files_of(own)["report.md"].decode()
    assert "Rates fall as 1/√t after so many steps of own@1 (2). " in page
    assert "the warm-up is this part of it where that is more, under own@1 (0.6). " in page
    assert "fall linearly to 0 over this last part of it under own@1 (0.5). " in page
    assert (
        "Weights of n inputs, if more than these, have these / n of the rate of own@1 (28). "
        in page
    )
    assert (
        "Kernels of n places, if more than these, have these / n of the rate of own@1 (4). " in page
    )
    assert "fewer than these (biases have 1), have n / these of the rate of own@1 (3). " in page
    assert (
        "Weights decay, per unit of the rate, by this much of themselves under own@1 (2.0). "
        in page
    )


def _finals(report: Report) -> dict[tuple[str, str], Tensor]:
    return {(row.task, row.optimizer): row.finals for row in report.rows}


def test_without_baselines_there_is_nothing_to_compare_with(theta: Theta, recorder: Any) -> None:
    spec = EvaluationSpec(optimizers=("hyperadam@1",), baselines=(), n_starts=2, horizon=1)
    report = evaluate(spec, {"hyperadam@1": theta}, DATA, InProcessRunner(), recorder)
    assert [row["difference"] for row in report_to_json(report)["rows"]] == [None] * 4


@pytest.mark.parametrize("field", ["optimizers", "baselines"])
def test_what_is_compared_must_differ(field: str) -> None:
    names = {"optimizers": ["a@1"], "baselines": ["adam"]}
    with pytest.raises(ValueError, match=f"{field} must differ"):
        EvaluationSpec.model_validate({**names, field: names[field] * 2})


def test_drivers_of_other_jobs_do_without_it() -> None:
    code = (
        "import sys, meta_trainer.driver.main; sys.exit('meta_trainer.evaluation' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=100).returncode == 0
