"""Runs of plain learners: their final losses, and the schedule of the deployed optimizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam import HyperAdam
from hyperadam.averaging import PolynomialAverage
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from hyperadam.theta import Theta
from torch.optim.lr_scheduler import LinearLR
from torch.optim.swa_utils import AveragedModel

from meta_trainer.datasets import Dataset, load
from meta_trainer.specs import (
    CNNTaskSpec,
    MetaTrainingSpec,
)
from meta_trainer.tasks import SpecTaskSource
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule
from meta_trainer.unrolls.optimizers import Learned, average_weights
from meta_trainer.unrolls.rollout import learned_rollouts, rollout


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("mnist5k")


def make_run(dataset: Dataset) -> tuple[Rule[Any], torch.Tensor, Supervised]:
    """An untrained Θ with its rule, and one learner."""
    spec = MetaTrainingSpec()
    source = SpecTaskSource({dataset.name: dataset})
    optimizee = source.build_validation(spec, 0, range(1))
    return make_rule(spec.rule), make_initial_theta(spec), optimizee


def test_final_loss_is_the_mean_over_the_minibatches_of_the_run(dataset: Dataset) -> None:
    spec = MetaTrainingSpec()
    optimizee = SpecTaskSource({dataset.name: dataset}).build_validation(spec, 0, range(2))
    optimizer = Learned(make_rule(spec.rule), make_initial_theta(spec), Rate(lr=0.005))
    result = rollout(optimizer, optimizee, 5)
    expected = (
        torch.stack([optimizee.losses(result.parameters, step) for step in range(5)])
        .double()
        .mean(0)
    )
    torch.testing.assert_close(result.final_losses, expected)
    assert result.curves.shape == (5, 2)
    torch.testing.assert_close(result.curves[0], optimizee.losses(optimizee.start(), 0).double())


@pytest.mark.parametrize("warmup_steps", [0, 1, 4])
def test_a_warm_up_is_that_of_torchs_own_scheduler_on_the_deployed_optimizer(
    dataset: Dataset, warmup_steps: int
) -> None:
    rule, vector, optimizee = make_run(dataset)
    rate = Rate(lr=0.005, warmup_steps=warmup_steps)
    result = rollout(Learned(rule, vector, rate), optimizee, 7)
    own, scheduled = (torch.nn.Parameter(optimizee.start()[0].clone()) for _ in range(2))
    with_own = HyperAdam([own], Theta.from_vector(rule, vector, rate=rate))
    with_scheduler = HyperAdam([scheduled], Theta.from_vector(rule, vector, rate=Rate(lr=0.005)))
    scheduler = LinearLR(
        with_scheduler, 1 / max(1, warmup_steps), total_iters=max(1, warmup_steps) - 1
    )
    for step in range(7):
        for w in (own, scheduled):
            w.grad = optimizee.losses_and_gradients(w.detach()[None], step)[1][0]
        with_own.step()
        with_scheduler.step()
        scheduler.step()
    torch.testing.assert_close(own.detach(), result.parameters[0])
    torch.testing.assert_close(scheduled.detach(), result.parameters[0])


def test_a_run_is_told_its_length_where_the_rate_comes_to_rest(dataset: Dataset) -> None:
    """After each horizon it stands where the deployed optimizer does that is told as many steps."""
    rule, vector, optimizee = make_run(dataset)
    rate = Rate(lr=0.005, warmup_steps=2, rest=0.5)
    results = learned_rollouts(rule, vector, rate, optimizee, [4, 8])
    for n_steps, result in zip((4, 8), results, strict=True):
        w = torch.nn.Parameter(optimizee.start()[0].clone())
        theta = Theta.from_vector(rule, vector, rate=rate)
        optimizer = HyperAdam([w], theta, total_steps=n_steps)
        for step in range(n_steps):
            w.grad = optimizee.losses_and_gradients(w.detach()[None], step)[1][0]
            optimizer.step()
        torch.testing.assert_close(w.detach(), result.parameters[0])
        assert len(result.curves) == n_steps


def test_without_a_rest_one_run_serves_all_horizons(dataset: Dataset) -> None:
    rule, vector, optimizee = make_run(dataset)
    rate = Rate(lr=0.005)
    results = learned_rollouts(rule, vector, rate, optimizee, [4, 8])
    assert torch.equal(results[0].curves, results[1].curves[:4])
    alone = rollout(Learned(rule, vector, rate), optimizee, 4)
    assert torch.equal(results[0].parameters, alone.parameters)


def test_a_rollout_has_the_schedule_of_the_deployed_optimizer(dataset: Dataset) -> None:
    """Over warm-up and decay, on kernels, matrices of many inputs and biases, each a parameter of
    its own shape."""
    spec, rate = (
        MetaTrainingSpec(),
        Rate(
            lr=0.005,
            warmup_steps=3,
            decay_after=4,
            base_fan_in=100,
            least_fan_in=2,
            base_places=3,
            weight_decay=2.0,
        ),
    )
    rule = make_rule(spec.rule)
    vector = make_initial_theta(spec)
    optimizee = SpecTaskSource({dataset.name: dataset}).build_validation_of(
        spec, CNNTaskSpec(dataset="mnist5k", batch_size=8), range(1)
    )
    result = rollout(Learned(rule, vector, rate), optimizee, 7)
    start = optimizee.start()[0]
    shapes = [(16, 1, 3, 3), (16,), (16, 16, 3, 3), (16,), (10, 16 * 14 * 14), (10,)]
    parts = start.split([torch.Size(shape).numel() for shape in shapes])
    parameters = [
        torch.nn.Parameter(part.view(shape).clone())
        for part, shape in zip(parts, shapes, strict=True)
    ]
    groups = [{"params": parameters, "decay_all": True}]  # as in a rollout
    optimizer = HyperAdam(groups, Theta.from_vector(rule, vector, rate=rate))
    for step in range(7):
        w = torch.cat([parameter.detach().flatten() for parameter in parameters])
        gradient = optimizee.losses_and_gradients(w[None], step)[1][0].split(
            [p.numel() for p in parameters]
        )
        for parameter, own in zip(parameters, gradient, strict=True):
            parameter.grad = own.view_as(parameter)
        optimizer.step()
    moved = torch.cat([parameter.detach().flatten() for parameter in parameters])
    torch.testing.assert_close(moved, result.parameters[0], rtol=1e-4, atol=1e-6)
    constant = rollout(Learned(rule, vector, Rate(lr=0.005)), optimizee, 7).parameters[0]
    assert (moved - start).norm() < 0.9 * (constant - start).norm()


def test_an_average_is_that_of_torch_over_the_deployed_optimizer(dataset: Dataset) -> None:
    """After each horizon; and the weights move as without it."""
    rule, vector, optimizee = make_run(dataset)
    rate = Rate(lr=0.005, warmup_steps=2)
    results = learned_rollouts(rule, vector, rate, optimizee, [4, 8], averaging=3.0)
    w = torch.nn.ParameterList([optimizee.start()[0].clone()])
    averaged = AveragedModel(w, multi_avg_fn=PolynomialAverage(3.0))
    optimizer = HyperAdam(w.parameters(), Theta.from_vector(rule, vector, rate=rate))
    for step in range(8):
        w[0].grad = optimizee.losses_and_gradients(w[0].detach()[None], step)[1][0]
        optimizer.step()
        averaged.update_parameters(w)
        if step + 1 in (4, 8):
            result = results[step // 4]
            [expected] = averaged.module.parameters()
            torch.testing.assert_close(result.parameters[0], expected.detach())
            final = torch.stack(
                [optimizee.losses(expected.detach()[None], i) for i in range(step + 1)]
            )
            torch.testing.assert_close(result.final_losses, final.double().mean(0))
    plain = rollout(Learned(rule, vector, rate), optimizee, 8)
    assert torch.equal(results[1].curves, plain.curves)
    assert not torch.equal(results[1].parameters, plain.parameters)


def test_a_run_that_is_told_its_length_has_an_average_of_its_own(dataset: Dataset) -> None:
    rule, vector, optimizee = make_run(dataset)
    rate = Rate(lr=0.005, rest=0.5)
    results = learned_rollouts(rule, vector, rate, optimizee, [4, 8], averaging=3.0)
    for n_steps, result in zip((4, 8), results, strict=True):
        told = average_weights(Learned(rule, vector, rate.over(n_steps)), 3.0)
        alone = rollout(told, optimizee, n_steps)
        assert torch.equal(result.parameters, alone.parameters)
