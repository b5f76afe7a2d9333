"""Steps of the rule with another state of a coordinate."""

from __future__ import annotations

import itertools

import hyperadam
import pytest
import torch
from hyperadam.rules.tensor_state import HyperAdamTensorState

from benchmarks import lengths
from benchmarks.judgements import compare
from benchmarks.lengths import Longer
from benchmarks.thetas import read_theta
from benchmarks.variants import (
    FAST_GAMMA,
    USUAL,
    VARIANTS,
    Gated,
    LargerOfTwo,
    MeanOfTwo,
    RowsGoOn,
    RowsWait,
)
from meta_trainer.specs import MetaTrainingSpec, MLPTaskSpec
from meta_trainer.tasks import load_data

SHAPES = [(3, 4), (3,)]
P = 15


@pytest.fixture
def theta() -> hyperadam.Theta:
    return read_theta("untrained", MetaTrainingSpec.model_validate({"preset": "default"}))


def run(
    variant: type[Longer], theta: hyperadam.Theta, gradients: list[torch.Tensor]
) -> tuple[list[torch.Tensor], HyperAdamTensorState]:
    """Where one learner is after each gradient."""
    optimizer = variant(theta, torch.ones(1, 1))
    w = torch.randn(1, P, generator=torch.Generator().manual_seed(0))
    state = optimizer.init(w, SHAPES)
    path = [w]
    for gradient in gradients:
        w, state = optimizer.step(w, gradient, state)
        path.append(w)
    return path, state.rule_state


def draw_gradients(n: int, silent: slice = slice(0, 0)) -> list[torch.Tensor]:
    """Random ones; after the first, some coordinates have none."""
    generator = torch.Generator().manual_seed(1)
    gradients = [torch.randn(1, P, generator=generator) for _ in range(n)]
    for gradient in gradients[1:]:
        gradient[:, silent] = 0.0
    return gradients


def test_a_gate_lets_no_coordinate_go_against_its_gradient(theta: hyperadam.Theta) -> None:
    gradients = draw_gradients(30)
    path, _ = run(Gated, theta, gradients)
    moves = [after - before for before, after in itertools.pairwise(path)]
    assert all(
        bool((move * gradient <= 0).all()) for move, gradient in zip(moves, gradients, strict=True)
    )
    usual, _ = run(Longer, theta, gradients)
    against = [
        (after - before) * gradient > 0
        for before, after, gradient in zip(usual, usual[1:], gradients, strict=False)
    ]
    assert bool(torch.stack(against).any())


def test_a_gate_lengthens_what_is_left_of_a_tensor(theta: hyperadam.Theta) -> None:
    gradients = draw_gradients(2)
    usual, _ = run(Longer, theta, gradients)
    gated, _ = run(Gated, theta, gradients)
    move, other = (path[2] - path[1] for path in (usual, gated))
    agrees = move[:, :12] * gradients[1][:, :12] < 0
    share = agrees.float().mean()
    assert 0 < share < 1
    torch.testing.assert_close(other[:, :12][agrees], move[:, :12][agrees] / share)


def test_two_second_moments_of_one_size_are_one(theta: hyperadam.Theta) -> None:
    gradients = [torch.full((1, P), value) for value in (2.0, -2.0, 2.0)]
    usual, _ = run(Longer, theta, gradients)
    for variant in (LargerOfTwo, MeanOfTwo):
        path, _ = run(variant, theta, gradients)
        torch.testing.assert_close(path[-1], usual[-1])


def test_the_larger_of_two_shortens_the_step_after_a_leap(theta: hyperadam.Theta) -> None:
    gradients = [torch.ones(1, P)] * 20 + [torch.full((1, P), 10.0)]
    usual, after = run(Longer, theta, gradients)
    path, _ = run(LargerOfTwo, theta, gradients)
    fast = 1.0
    weight = 1 - FAST_GAMMA**20
    fast = (FAST_GAMMA * weight + (1 - FAST_GAMMA) * 100) / (1 - FAST_GAMMA**21)
    slow = after.v[0] / after.gamma_hat[0, 0, 0]
    expected = (usual[-1] - usual[-2]) * (slow / fast).sqrt()
    torch.testing.assert_close(path[-1] - path[-2], expected, rtol=1e-4, atol=1e-7)


def test_rows_that_wait_keep_their_moments(theta: hyperadam.Theta) -> None:
    silent = slice(0, 4)
    first = draw_gradients(1)
    _, once = run(RowsWait, theta, first)
    path, later = run(RowsWait, theta, draw_gradients(6, silent))
    torch.testing.assert_close(later.m[..., silent], once.m[..., silent])
    torch.testing.assert_close(later.v[..., silent], once.v[..., silent])
    assert not torch.equal(later.v[..., 4:], once.v[..., 4:])
    assert torch.equal(path[1][:, silent], path[-1][:, silent])


def test_rows_that_go_on_move_without_a_gradient(theta: hyperadam.Theta) -> None:
    silent = slice(0, 4)
    gradients = draw_gradients(6, silent)
    stands, state = run(Longer, theta, gradients)
    assert torch.equal(stands[1][:, silent], stands[-1][:, silent])
    moves, other = run(RowsGoOn, theta, gradients)
    assert not bool((moves[1][:, silent] == moves[-1][:, silent]).any())
    torch.testing.assert_close(moves[-1][:, 4:], stands[-1][:, 4:])
    torch.testing.assert_close(other.m, state.m)
    torch.testing.assert_close(other.v, state.v)


def test_all_are_judged_beside_the_rule_as_it_is(
    theta: hyperadam.Theta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lengths, "HORIZON", 5)
    task = MLPTaskSpec(dataset="mnist5k", hidden=(4,))
    thetas = dict.fromkeys(VARIANTS, theta)
    data = load_data([task], None)
    judgements = {
        each.name: each for each in compare(thetas, [task, task], data, 1, USUAL, VARIANTS)
    }
    assert judgements.pop(USUAL).difference == 0.0
    assert all(each.difference != 0.0 for each in judgements.values())
