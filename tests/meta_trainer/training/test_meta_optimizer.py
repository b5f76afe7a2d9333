"""The meta-optimizer: clipped Adam with a schedule and a running mean."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hyperadam.rules import DMRule

from meta_trainer.specs import MetaOptimizerSpec
from meta_trainer.training.meta_optimizer import MetaOptimizer, find_moved


def test_schedule_warms_up_and_falls() -> None:
    spec = MetaOptimizerSpec(rate=1e-2, warmup_updates=4, final_fraction=0.1)
    meta = MetaOptimizer(spec, torch.zeros(2), 24)
    rates = [meta.rate(update) for update in range(24)]
    assert rates[:4] == pytest.approx([2.5e-3, 5e-3, 7.5e-3, 1e-2])
    assert rates[4] == pytest.approx(1e-2)
    assert all(a > b for a, b in pairwise(rates[4:]))
    assert rates[-1] == pytest.approx(1e-3)
    constant = MetaOptimizer(
        MetaOptimizerSpec(schedule="constant", warmup_updates=0), torch.zeros(2), 5
    )
    assert {constant.rate(update) for update in range(5)} == {1e-3}


def test_meta_optimizer_is_clipped_adam() -> None:
    spec = MetaOptimizerSpec(rate=0.1, schedule="constant", warmup_updates=0, clip_norm=0.5)
    start = torch.tensor([1.0, -2.0, 3.0])
    meta = MetaOptimizer(spec, start, 10)
    parameter = torch.nn.Parameter(start.clone())
    adam = torch.optim.Adam([parameter], lr=0.1)
    for gradient in (torch.tensor([3.0, 4.0, 0.0]), torch.tensor([0.1, 0.0, 0.2])):
        done = meta.step(gradient)
        norm = float(gradient.norm())
        assert done.gradient_norm == pytest.approx(norm)
        parameter.grad = gradient * min(1, 0.5 / norm)
        adam.step()
    torch.testing.assert_close(meta.theta, parameter.detach())


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    meta = MetaOptimizer(MetaOptimizerSpec(), torch.ones(2), 10)
    done = meta.step(torch.tensor([math.nan, 1.0]))
    assert done.skipped
    assert meta.theta.tolist() == [1, 1]
    assert not meta.step(torch.tensor([1.0, 1.0])).skipped
    assert meta.theta.isfinite().all()
    assert meta.update_count == 2


def test_averaging_keeps_a_running_mean_through_a_checkpoint() -> None:
    spec = MetaOptimizerSpec(rate=0.1, schedule="constant", warmup_updates=0, averaging=0.75)
    meta = MetaOptimizer(spec, torch.zeros(2), 10)
    expected = torch.zeros(2)
    for _ in range(3):
        meta.step(torch.tensor([1.0, -1.0]))
        expected = 0.75 * expected + 0.25 * meta.theta
        torch.testing.assert_close(meta.mean, expected)
    again = MetaOptimizer(spec, torch.zeros(2), 10)
    again.load(meta.state(), meta.update_count)
    for optimizer in (meta, again):
        optimizer.step(torch.tensor([0.5, 0.5]))
    assert torch.equal(meta.mean, again.mean)
    assert torch.equal(meta.theta, again.theta)
    plain = MetaOptimizer(MetaOptimizerSpec(), torch.zeros(2), 10)
    plain.step(torch.ones(2))
    assert torch.equal(plain.mean, plain.theta)


def test_tensors_that_are_not_named_stay_under_decay_too() -> None:
    rule = DMRule()
    name = next(iter(rule.theta_shapes))
    spec = MetaOptimizerSpec(rate=0.1, warmup_updates=0, weight_decay=1.0, tensors=(name,))
    moved = find_moved(rule, spec)
    assert moved is not None
    assert int(moved.sum()) == math.prod(rule.theta_shapes[name])
    start = torch.ones(rule.n_theta)
    meta = MetaOptimizer(spec, start, 10, moved)
    for _ in range(3):
        meta.step(torch.ones(rule.n_theta) * moved)
    assert torch.equal(meta.theta[~moved], start[~moved])
    assert (meta.theta[moved] < 1).all()
    assert find_moved(rule, MetaOptimizerSpec()) is None
