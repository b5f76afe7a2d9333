"""What a Θ has left to gain: parabolas with a known lowest point, directions that do what they say,
and figures that are those of runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import hyperadam
import pytest
import torch

from benchmarks import remaining
from benchmarks.grid import measure
from benchmarks.remaining import Direction, find_remainder, main, measure_task, name_directions
from meta_trainer.specs import MLPTaskSpec, TaskDistribution
from meta_trainer.tasks import load_data

H = 0.5
TASK = MLPTaskSpec(dataset="mnist5k", hidden=(4,))


def ends_of(parabolas: list[tuple[float, float]]) -> torch.Tensor:
    """f(±h) − f(0) of s x + c x² / 2."""
    return torch.tensor([[s * x + c * x * x / 2 for x in (-H, H)] for s, c in parabolas])


def test_of_parabolas_it_finds_the_lowest_point_of_their_mean() -> None:
    direction = Direction("length", torch.zeros(1), H)
    found = find_remainder(direction, ends_of([(-0.4, 1.0), (-0.8, 3.0)]))
    assert found.slope == pytest.approx(-0.6)
    assert found.standard_error == pytest.approx(0.2)
    assert found.curvature == pytest.approx(2.0)
    assert found.best == pytest.approx(0.3)
    assert found.gain == pytest.approx(0.6**2 / 4)
    assert found.of_noise == pytest.approx(0.2**2 / 4)


def test_where_it_goes_on_falling_the_better_end_is_told() -> None:
    direction = Direction("length", torch.zeros(1), H)
    found = find_remainder(direction, ends_of([(0.4, -1.0), (0.4, -1.0)]))
    assert found.best == -H
    assert found.gain == pytest.approx(0.4 * H + H * H / 2)
    assert found.of_noise == math.inf


def test_where_both_ends_are_higher_beyond_rounding_nothing_is_gained() -> None:
    found = find_remainder(Direction("length", torch.zeros(1), H), ends_of([(0.0, 2.0)] * 2))
    assert found.gain == found.best == 0


def test_directions_do_what_they_say() -> None:
    theta = hyperadam.pretrained()
    by_name = {each.name: each.along for each in name_directions(theta)}
    untrained = theta.rule.init_theta(torch.Generator())

    def change(name: str, by: float) -> dict[str, torch.Tensor]:
        return dict(theta.rule.unpack(theta.vector + by * by_name[name]))

    longer = change("length", 0.3)
    assert torch.allclose(longer["length.bias"], theta.tensors["length.bias"] + 0.3)
    vectors = change("vectors", 0.3)["length.bias"] - theta.tensors["length.bias"]
    assert vectors.tolist() == pytest.approx([0, 0, 0, 0.3], abs=1e-6)
    deep = change("tensors", 0.1)["length.exponents"] - theta.tensors["length.exponents"]
    assert deep.tolist() == pytest.approx([0, 0, 0, 0, 0, 0.1, 0], abs=1e-6)
    for direction, cell in (("forgetting", "adam_cell"), ("mixture", "weight_cell")):
        before = change(direction, -1)
        for part in ("weight", "bias"):
            name = f"{cell}.{part}"
            assert torch.allclose(before[name], untrained[name].float(), atol=1e-5)
        others = [name for name in before if not name.startswith(cell)]
        assert all(torch.equal(before[name], theta.tensors[name]) for name in others)


def test_ends_are_those_of_runs_that_are_told_their_length() -> None:
    theta = hyperadam.pretrained()
    (direction,) = [each for each in name_directions(theta) if each.name == "length"]
    data = load_data([TASK], None)
    ends = measure_task(theta, [direction], TASK, data, 6, 2)["length"]
    tensors = {name: tensor.clone() for name, tensor in theta.tensors.items()}
    tensors["length.bias"] += direction.step
    longer = hyperadam.Theta(theta.rule, tensors, theta.rate)
    difference = measure(longer, TASK, data, [6], 2) - measure(theta, TASK, data, [6], 2)
    assert ends[1] == pytest.approx(difference.item(), abs=1e-5)
    assert ends[0] != ends[1]


def test_a_run_that_diverges_costs_one() -> None:
    theta = hyperadam.pretrained()
    (direction,) = [each for each in name_directions(theta) if each.name == "length"]
    far = Direction("length", direction.along, 1e3)
    ends = measure_task(theta, [far], TASK, load_data([TASK], None), 3, 1)["length"]
    assert ends[1] == 1


def test_another_rule_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not of hyperadam$"):
        name_directions(hyperadam.pretrained("hyperadam-v1"))


def test_the_command_prints_a_table_and_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def two_tasks(_: TaskDistribution, n_drawn: int) -> list[MLPTaskSpec]:
        assert n_drawn == 1
        return [TASK, MLPTaskSpec(dataset="mnist5k", hidden=(5,))]

    monkeypatch.setattr(remaining, "list_either", two_tasks)
    path = tmp_path / "figures.json"
    words = ["hyperadam-v8", "--tasks", "1", "--starts", "1", "--horizon", "4"]
    main([*words, "--data-dir", str(tmp_path), "--json", str(path)])
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(path.read_text())
    assert lines[0] == "2 tasks, 1 starts, 4 steps"
    assert [line.split(" | ")[0].strip("| ") for line in lines[3:]] == [
        row["direction"] for row in figures["remainders"]
    ]
    assert list(figures["ends"]) == ["0 kind mlp", "1 kind mlp"]
