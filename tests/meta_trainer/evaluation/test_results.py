"""`results.json`: small, and all that page, pictures and tables are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate

from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting import Origin, build_report_files, draw_report
from meta_trainer.evaluation.reporting.__main__ import main
from meta_trainer.evaluation.reporting.origin import describe_machine, write_command
from meta_trainer.evaluation.reporting.results import (
    LARGEST,
    decode_results,
    encode_results,
)
from meta_trainer.evaluation.tuning import Tuned
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import SUITES

RATE = Rate(lr=0.012345678, warmup_steps=20, weight_decay=0.08)
ORIGIN = Origin(
    command="hyperadam evaluate a@1",
    date="2026-11-29",
    thetas={"a@1": "ab" * 32},
    code={"version": "0.1.0", "sources_sha256": "cd" * 32},
    machine={"cpu": "Some CPU", "torch": "2.13.0"},
)


def make_row(task: str, optimizer: str, spec: EvaluationSpec, generator: torch.Generator) -> Row:
    horizon = next(each.horizon for each in spec.tasks if each.name == task)
    shape = (horizon, spec.n_starts)
    noise = torch.rand(shape, generator=generator, dtype=torch.float64)
    curves = noise + torch.linspace(2, 1, horizon, dtype=torch.float64)[:, None]
    finals = curves[-1].clone()
    if optimizer == "adam":
        finals[0] = torch.nan
    trials = tuple((2.0**-k, 1 / (k + 3.0)) for k in range(12, 0, -1))
    is_learned = optimizer.startswith("a@1")
    is_at_own_rate = optimizer in ("a@1", "a@1, untrained")
    rate = RATE if is_learned else Rate(lr=1.0)
    return Row(
        task=task,
        optimizer=optimizer,
        kind="untrained" if "untrained" in optimizer else "learned" if is_learned else "baseline",
        learned="a@1" if is_learned else None,
        rate=rate if is_at_own_rate else replace(rate, lr=0.0078125),
        finals=finals,
        curves=curves,
        test=torch.rand(spec.n_starts, 3, generator=generator, dtype=torch.float64)
        if SUITES[spec.suite].with_test
        else None,
        tuned=None if is_at_own_rate else Tuned(0.0078125, False, trials, trials[:3], 16),
    )


def make_report(names: tuple[str, ...], **fields: Any) -> Report:
    spec = EvaluationSpec.model_validate({"optimizers": ["a@1"], **fields})
    generator = torch.Generator().manual_seed(0)
    rows = [make_row(task.name, name, spec, generator) for task in spec.tasks for name in names]
    return Report(
        spec=spec,
        suite=SUITES[spec.suite],
        dataset="mnist",
        dataset_fingerprint="ef" * 32,
        rows=rows,
        unknown_starts={"b@1": "its file does not say how it was trained"},
    )


NAMES = ("a@1", "a@1, untrained", "a@1, untrained, α tuned", "adam", "adam-scheduled")


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(NAMES, suite="table3", n_starts=3, horizon=6)


def test_what_it_says_is_what_was_evaluated_up_to_rounding(report: Report) -> None:
    read = decode_results(encode_results(report, ORIGIN))
    assert read.origin == ORIGIN
    assert (read.report.spec, read.report.suite) == (report.spec, report.suite)
    assert read.report.unknown_starts == report.unknown_starts
    for row, own in zip(read.report.rows, report.rows, strict=True):
        assert (row.task, row.optimizer, row.kind) == (own.task, own.optimizer, own.kind)
        assert (row.rate, row.learned) == (own.rate, own.learned)
        torch.testing.assert_close(row.finals, own.finals, rtol=1e-4, atol=0, equal_nan=True)
        torch.testing.assert_close(row.test, own.test, rtol=1e-4, atol=0)
        torch.testing.assert_close(row.curves, own.curves[1:], rtol=5e-3, atol=0)
        if own.tuned is None:
            assert row.tuned is None
        else:
            assert row.tuned is not None
            assert row.tuned.rate == own.tuned.rate
            assert [rate for rate, _ in row.tuned.trials] == pytest.approx(
                [rate for rate, _ in own.tuned.trials]
            )


def test_of_every_start_there_are_losses_at_some_steps(report: Report) -> None:
    content = json.loads(encode_results(report, ORIGIN))
    for row in content["rows"]:
        assert [len(of_starts) for of_starts in row["losses"]] == [3] * 5
        assert len(row["finals"]) == 3
    assert content["spec"]["seed"] == 1
    assert content["steps"]["cnn-1"]["losses"] == [1, 2, 3, 4, 5]
    assert content["streams"] == {"cnn-1": "cnn-1", "cnn-2": "cnn-2"}


@pytest.mark.slow
def test_a_second_person_makes_the_same_files_from_it_alone(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = build_report_files(draw_report(report, ORIGIN))
    assert {Path(name).suffix for name in files} == {
        ".json", ".md", ".html", ".png", ".svg", ".pdf", ".tex"
    }  # fmt: skip
    (tmp_path / "results.json").write_bytes(files["results.json"])
    assert main(["rebuild", str(tmp_path)]) == 0
    rebuilt = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert rebuilt == {name: data for name, data in files.items() if name != "result.json"}
    assert str(tmp_path / "curves.svg") in capsys.readouterr().out


@pytest.mark.slow
def test_the_page_may_have_another_name(report: Report, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(encode_results(report, ORIGIN))
    assert main(["rebuild", str(tmp_path), "--page", "README.md"]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"README.md", "results.json", "curves.png", "gains.tex"} <= names
    assert not {"report.md", "report.html"} & names
    page = (tmp_path / "README.md").read_text("utf-8")
    for fact in ("hyperadam evaluate a@1", "2026-11-29", "ab" * 32, "Some CPU"):
        assert fact in page


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format": 9}', b'{"format": 1}'])
def test_a_file_that_is_none_is_named(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_bytes(damage)
    assert main(["rebuild", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


BASELINES = tuple(f"baseline-{i}" for i in range(10))


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["table1", "deep-mlp", "longer"])
def test_it_stays_small_at_full_size(suite: str) -> None:
    """With everything that a full-size evaluation of one Θ has; final losses are never left out."""
    report = make_report((*NAMES[:3], *BASELINES), suite=suite)
    data = encode_results(report, ORIGIN)
    assert len(data) < LARGEST
    rows = decode_results(data).report.rows
    assert {len(row.finals) for row in rows} == {report.spec.n_starts}
    assert all(len(row.curves) >= 2 for row in rows)
    assert all(row.stored_curve and len(row.stored_curve.steps) >= 8 for row in rows)


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, ""),
        ({"suite": "table2", "seed": 3}, " --suite table2 --seed 3"),
        ({"quick": True, "suite": "longer"}, " --suite longer --quick"),
        (
            {"dataset": "mnist", "n_starts": 8, "n_tuning_starts": 2, "horizon": 50},
            " --dataset mnist --horizon 50 --starts 8 --tuning-starts 2",
        ),
        (
            {"learners": ["relu"], "baselines": ["adam", "sgd"], "tune_learned": True},
            " --learner relu --baseline adam --baseline sgd --tune-learned",
        ),
        ({"untrained": False}, " --set untrained=false"),
        ({"quick": True, "untrained": True}, " --quick --set untrained=true"),
        ({"rate": {"decay_after": 0}}, " --set rate.decay_after=0"),
    ],
)
def test_the_command_asks_for_what_differs_from_the_suites_own(
    fields: Mapping[str, Any], options: str
) -> None:
    spec = EvaluationSpec.model_validate({"optimizers": ["a@1", "b@2"], **fields})
    assert write_command(spec) == f"hyperadam evaluate a@1 b@2{options}"


def test_the_machine_is_said() -> None:
    machine = describe_machine()
    assert machine["torch"] == torch.__version__
    assert machine["cpu"]
