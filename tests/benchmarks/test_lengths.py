"""What the table of lengths says of an optimizer whose best length is known."""

from __future__ import annotations

import hyperadam
import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamTensorRule

from benchmarks import lengths
from benchmarks.lengths import LENGTHS, Liking, Longer, find_liking, format_table
from meta_trainer.specs import MLPTaskSpec
from meta_trainer.tasks import load_data


@pytest.fixture
def theta() -> hyperadam.Theta:
    rule = HyperAdamTensorRule()
    fresh = rule.init_theta(torch.Generator().manual_seed(0))
    tensors = {name: tensor.float() for name, tensor in fresh.items()}
    return hyperadam.Theta(rule, tensors, Rate(lr=1.0))


def test_steps_are_as_many_times_as_long(theta: hyperadam.Theta) -> None:
    w = torch.randn(2, 6, generator=torch.Generator().manual_seed(1))
    gradient = torch.ones(2, 6)
    optimizer = Longer(theta, torch.tensor([[1.0], [2.0]]))
    start = w[:1].expand(2, 6).contiguous()
    moved, _ = optimizer.step(start, gradient, optimizer.init(start))
    torch.testing.assert_close(moved[1] - start[1], 2 * (moved[0] - start[0]))


def test_steps_that_are_far_too_long_cost_most_as_they_are(
    theta: hyperadam.Theta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lengths, "HORIZON", 10)
    task = MLPTaskSpec(dataset="mnist5k", hidden=(8,))
    data = load_data([task], None)
    tensors = dict(theta.tensors)
    tensors["length.bias"] = tensors["length.bias"] + 5.0
    long = hyperadam.Theta(theta.rule, tensors, theta.rate)
    liking = find_liking(long, "mlp", task, data)
    assert liking.best == LENGTHS[0]
    assert min(liking.costs) == 0.0 < liking.costs[LENGTHS.index(1.0)]


def test_the_table_has_a_line_for_each_task_and_their_mean() -> None:
    likings = [Liking("mlp", [0.0] * 7), Liking("cnn", [0.5] * 6 + [0.1])]
    lines = format_table(likings).splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("| mlp | 0.25 |")
    assert lines[3].startswith("| cnn | 2 |")
    assert lines[-1].endswith("| 0.050 |")
