"""Learners side by side move as `torch.optim` moves each of them alone, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hyperadam.rates import Rate
from torch import Tensor

from meta_trainer.evaluation.baselines import HandDesigned
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.baselines import BASELINES, Baseline

N_STEPS = 12
N_OF_FEW_INPUTS, FAN_IN = 10, 3136
RATES = (0.01, 0.3, 0.01, 0.05)


def gradient_of(w: Tensor, step: int) -> Tensor:
    """Smooth, different at every step, and zero in some coordinates, as for dead pixels."""
    return torch.where(torch.arange(w.shape[-1]) % 5 == 0, 0.0, torch.sin(3 * w + step) + 0.1 * w)


def start() -> Tensor:
    return torch.randn(
        len(RATES), N_OF_FEW_INPUTS + FAN_IN, generator=torch.Generator().manual_seed(0)
    )


def alone(
    w: Tensor, make: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer], schedule: Rate
) -> Tensor:
    """As a user would: two groups of parameters, biases and weights of many inputs, and a rate set
    at every step."""
    few, many = (
        torch.nn.Parameter(part)
        for part in w.clone().split([N_OF_FEW_INPUTS, len(w) - N_OF_FEW_INPUTS])
    )
    optimizers = [make([few]), make([many])]
    for step in range(N_STEPS):
        rate = schedule.lr * (
            min(1, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1
        )
        rate *= min(1, schedule.decay_after / (step + 1)) ** 0.5 if schedule.decay_after else 1
        of_few = rate / schedule.least_fan_in if schedule.least_fan_in else rate
        of_many = rate * schedule.base_fan_in / FAN_IN if schedule.base_fan_in else rate
        gradient = gradient_of(torch.cat([few, many]).detach(), step)
        few.grad, many.grad = gradient.split([len(few), len(many)])
        for optimizer, own in zip(optimizers, (of_few, of_many), strict=True):
            optimizer.param_groups[0]["lr"] = own
            optimizer.step()
    return torch.cat([few, many]).detach()


SCHEDULED = Baseline(
    torch.optim.Adam,
    (-14, -6),
    schedule=Rate(lr=1.0, warmup_steps=3, decay_after=5, base_fan_in=100),
)


OF_TORCH = {
    name: baseline for name, baseline in BASELINES.items() if isinstance(baseline, Baseline)
}


@pytest.mark.parametrize("baseline", [*OF_TORCH.values(), SCHEDULED], ids=[*OF_TORCH, "scheduled"])
def test_each_learner_moves_as_if_alone(baseline: Baseline) -> None:
    w = start()
    without_course = replace(baseline, course=None)
    optimizer = HandDesigned(without_course, RATES)
    state = optimizer.init(w, [(N_OF_FEW_INPUTS,), (1, FAN_IN)])
    for step in range(N_STEPS):
        w, state = optimizer.step(w, gradient_of(w, step), state)
    for row, first, rate in zip(w, start(), RATES, strict=True):
        make = lambda params, rate=rate: baseline.optimizer(params, lr=rate, **baseline.arguments)  # noqa: E731
        expected = alone(first, make, replace(baseline.schedule, lr=rate))
        torch.testing.assert_close(
            row, expected, rtol=0, atol=1e-6 if baseline.schedule.base_fan_in else 0
        )


def test_a_spec_may_ask_for_each_and_for_no_other() -> None:
    spec = EvaluationSpec(optimizers=("a@1",), baselines=tuple(BASELINES))
    assert spec.baselines == tuple(BASELINES)
    items = EvaluationSpec.model_json_schema()["properties"]["baselines"]["items"]
    assert items == {"type": "string", "enum": list(BASELINES)}
    with pytest.raises(ValueError, match=r"baselines must be one of adam, .*, got 'lion'"):
        EvaluationSpec(optimizers=("a@1",), baselines=("lion",))


def test_the_two_adams_differ_where_gradients_are_tiny() -> None:
    moved = {}
    for name in ("adam", "adam-1e-12"):
        optimizer, w = HandDesigned(BASELINES[name], [0.1]), torch.zeros(1, 1)
        moved[name] = float(optimizer.step(w, torch.full((1, 1), 1e-10), optimizer.init(w))[0])
    assert abs(moved["adam"]) < 2e-3
    assert moved["adam-1e-12"] == pytest.approx(-0.1, rel=0.02)


def test_a_step_goes_from_the_parameters_it_is_given_and_leaves_them_alone() -> None:
    optimizer, w = HandDesigned(BASELINES["sgd"], [0.5, 2.0]), torch.ones(2, 3)
    state, gradient = optimizer.init(torch.zeros(2, 3)), torch.ones(2, 3)
    first, state = optimizer.step(w, gradient, state)
    second, _ = optimizer.step(w, gradient, state)
    assert torch.equal(first, torch.tensor([[0.5] * 3, [-1.0] * 3]))
    assert torch.equal(second, first)
    assert torch.equal(w, torch.ones(2, 3))
    assert torch.equal(gradient, torch.ones(2, 3))


def test_a_diverging_learner_leaves_its_neighbours_alone() -> None:
    optimizer, w = HandDesigned(BASELINES["adam"], [0.1, 0.1]), torch.zeros(2, 3)
    moved, _ = optimizer.step(w, torch.tensor([[torch.inf] * 3, [1.0] * 3]), optimizer.init(w))
    assert moved[0].isnan().all()
    assert torch.allclose(moved[1], torch.tensor(-0.1))


def test_one_rate_for_each_learner() -> None:
    with pytest.raises(ValueError, match="2 learners and 1 rates"):
        HandDesigned(BASELINES["sgd"], [0.1]).init(torch.zeros(2, 3))
