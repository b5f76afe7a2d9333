"""The grid of tasks and optimizers: its figures are those of runs, its means those of its lines."""

from __future__ import annotations

import json
import math
from pathlib import Path

import hyperadam
import pytest
import torch

from benchmarks import grid
from benchmarks.grid import Line, format_table, main, measure
from benchmarks.lengths import LENGTHS, measure_lengths
from meta_trainer.specs import MetaTrainingSpec, MLPTaskSpec
from meta_trainer.tasks import load_data


@pytest.mark.parametrize("name", ["hyperadam-v4", "hyperadam-v8"])
def test_a_figure_is_that_of_the_other_benchmarks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same starts and minibatches, and steps as they are; told alike how long the run is."""
    monkeypatch.setattr("benchmarks.lengths.HORIZON", 6)
    task = MLPTaskSpec(dataset="mnist5k", hidden=(4,))
    data = load_data([task], None)
    theta = hyperadam.pretrained(name)
    logs = measure(theta, task, data, [3, 6], 2)
    expected = measure_lengths(theta, task, data, 2)[LENGTHS.index(1.0)]
    assert logs.shape == (2,)
    assert logs[1].item() == pytest.approx(expected.item(), abs=1e-6)
    assert logs[0] != logs[1]


def test_a_run_that_diverges_is_infinitely_high() -> None:
    task = MLPTaskSpec(dataset="mnist5k", hidden=(4,))
    theta = hyperadam.pretrained("hyperadam-v4")
    tensors = {name: tensor.clone() for name, tensor in theta.tensors.items()}
    tensors["length.bias"] += 1e4
    wild = hyperadam.Theta(theta.rule, tensors, theta.rate)
    logs = measure(wild, task, load_data([task], None), [3], 1)
    assert logs.tolist() == [math.inf]


def test_the_last_line_is_the_mean() -> None:
    lines = [
        Line("0 mlp", {"a": [0.5, 0.1], "b": [0.0, 0.0]}),
        Line("1 cnn", {"a": [0.1, -0.3], "b": [0.0, 1.0]}),
    ]
    rows = format_table(lines, ["a", "b"]).splitlines()
    assert rows[0] == "| task | a | b |"
    assert rows[2] == "| 0 mlp | +0.500 / +0.100 | +0.000 / +0.000 |"
    assert rows[-1] == "| mean | +0.300 / -0.100 | +0.000 / +0.500 |"


@pytest.fixture
def one_mlp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that validates with one small MLP."""
    tasks = {"mlp": {"datasets": ["mnist5k"]}, "validation": [{"kind": "mlp", "hidden": [4]}]}
    spec = MetaTrainingSpec.model_validate({"preset": "default", "tasks": tasks})
    monkeypatch.setattr(grid, "read_spec", lambda _: spec)


@pytest.mark.usefixtures("one_mlp")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["hyperadam-v4", "hyperadam-v4:length=1.4"]
    figures = tmp_path / "grid.json"
    options = ["--starts", "1", "--horizons", "4", "2", "--json", str(figures)]
    main([*names, *options, "--data-dir", str(tmp_path)])
    assert capsys.readouterr().out.startswith(f"| task | {names[0]} | {names[1]} |")
    [line] = json.loads(figures.read_text())
    first, second = (torch.tensor(line["logs"][name]) for name in names)
    assert first.shape == second.shape == (2,)
    assert not torch.equal(first, second)


@pytest.mark.usefixtures("one_mlp")
def test_averages_are_columns_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "grid.json"
    options = ["--starts", "1", "--horizons", "4", "--averaging", "0", "3", "--json", str(figures)]
    main(["hyperadam-v4", *options, "--data-dir", str(tmp_path)])
    assert capsys.readouterr().out.startswith("| task | hyperadam-v4 | hyperadam-v4, η = 3 |")
    [line] = json.loads(figures.read_text())
    last, average = line["logs"].values()
    assert last != average


def test_tasks_of_training_stand_in_for_those_of_validation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = {"mlp": {"datasets": ["mnist5k"], "depth": [3, 3]}, "validation": [{"kind": "lstm"}]}
    spec = MetaTrainingSpec.model_validate({"preset": "default", "tasks": tasks})
    monkeypatch.setattr(grid, "read_spec", lambda _: spec)
    options = [
        "--drawn",
        "2",
        "--only",
        "mlp",
        "--starts",
        "1",
        "--horizons",
        "2",
        "--data-dir",
        str(tmp_path),
    ]
    main(["hyperadam-v4", *options])
    rows = capsys.readouterr().out.splitlines()
    names = [row.split(" | ")[0] for row in rows[2:]]
    assert len(names) == 3
    assert all(name.endswith(" kind mlp") for name in names[:2])
