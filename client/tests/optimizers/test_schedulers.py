"""Schedules of others on top of Θ's own, what of it is in effect, and what a group may hold. AdamW
is the control wherever it has the same."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from every_optimizer import (
    Make,
    every_learned,
    every_optimizer,
    flatten,
    make_adamw,
    make_hyperadam,
    make_model,
    make_tensor,
    set_random_gradients,
    train,
)
from hyperadam import HyperAdam, Theta
from small_run import make_theta
from torch.optim import AdamW, lr_scheduler


def make_scheduled_theta(**fields: Any) -> Theta:
    theta = make_theta()
    fields = {"warmup_steps": 3, "decay_after": 4, **fields}
    return Theta(theta.rule, theta.tensors, replace(theta.rate, **fields))


SCHEDULERS: dict[str, Any] = {
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=10),
    "linear": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 - step / 10),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.02, 10, cycle_momentum=False),
    "one cycle of momentum": lambda o: lr_scheduler.OneCycleLR(o, 0.02, 10),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.02, 3),
}


def run(
    optimizer: torch.optim.Optimizer, model: Any, scheduler: Any, n_steps: int = 6
) -> list[str]:
    """The warnings of a run."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(n_steps):
            train(model, optimizer, range(step, step + 1))
            if scheduler is not None:
                scheduler.step()
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("schedule", list(SCHEDULERS.values()), ids=list(SCHEDULERS))
class TestASchedulerOnTopOfThetas:
    def test_is_said_once_with_advice(self, schedule: Any) -> None:
        model = make_model()
        optimizer = HyperAdam(model.parameters(), make_scheduled_theta())
        (said,) = run(optimizer, model, schedule(optimizer))
        assert "on top of Θ's own schedule (warmup_steps=3, decay_after=4)" in said
        assert "pass warmup_steps=0, decay_after=0" in said

    def test_is_nothing_to_speak_of_when_the_advice_is_taken(self, schedule: Any) -> None:
        model = make_model()
        theta = make_scheduled_theta()
        optimizer = HyperAdam(model.parameters(), theta, warmup_steps=0, decay_after=0)
        assert run(optimizer, model, schedule(optimizer)) == []

    def test_is_nothing_to_speak_of_with_the_control(self, schedule: Any) -> None:
        model = make_model()
        optimizer = make_adamw(model.parameters(), betas=(0.9, 0.99))
        assert run(optimizer, model, schedule(optimizer)) == []


def test_a_constant_scheduler_and_a_rate_set_by_hand_are_nothing_to_speak_of() -> None:
    model = make_model()
    optimizer = HyperAdam(model.parameters(), make_scheduled_theta())
    assert run(optimizer, model, lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)) == []
    optimizer = HyperAdam(model.parameters(), make_scheduled_theta())
    optimizer.param_groups[0]["lr"] = 0.001
    assert run(optimizer, model, None) == []


@every_learned
def test_a_momentum_that_is_cycled_is_nobodys(make: Make) -> None:
    """AdamW has one to cycle; a learned optimizer has learned its own."""
    ends = []
    for cycles in (False, True):
        model = make_model()
        optimizer = make(model.parameters(), warmup_steps=0, decay_after=0)
        scheduler = lr_scheduler.OneCycleLR(optimizer, 0.05, 10, cycle_momentum=cycles)
        assert run(optimizer, model, scheduler) == []
        ends.append(flatten(model))
    assert torch.equal(*ends)


class TestWeightDecayThatAFrameworkFillsIn:
    def test_is_said(self) -> None:
        groups = [{"params": make_model().parameters(), "weight_decay": 0.0}]
        with pytest.warns(UserWarning, match=r"sets weight_decay=0, and Θ was trained with 0\.08"):
            HyperAdam(groups, make_scheduled_theta(weight_decay=0.08))

    def test_is_the_callers_will_if_said_to_the_optimizer_or_for_some(self) -> None:
        theta = make_scheduled_theta(weight_decay=0.08)
        model = make_model()
        first = {"params": model[0].parameters(), "weight_decay": 0.0}
        HyperAdam([first, {"params": model[2].parameters()}], theta)
        groups = [{"params": make_model().parameters(), "weight_decay": 0.0}]
        HyperAdam(groups, theta, weight_decay=0.0)


class TestARateOfAnotherOptimizer:
    """What is given to `hyperadam-v1` or to Adam is nothing to a Θ whose own rate is 1."""

    @pytest.mark.parametrize("lr", [0.01, torch.tensor(0.01)])
    def test_is_said(self, lr: Any) -> None:
        with pytest.warns(UserWarning, match=r"lr=0\.01 makes steps 100 times shorter than .*lr=1"):
            make_tensor(make_model().parameters(), lr=lr)
        groups = [{"params": make_model().parameters(), "lr": lr}]
        with pytest.warns(UserWarning, match=r"lr=0\.01 makes steps 100 times shorter"):
            make_tensor(groups)

    def test_is_said_of_a_group_that_is_added(self) -> None:
        first, second, third = (make_model().parameters() for _ in range(3))
        optimizer = make_tensor(first, lr=0.5)
        with pytest.warns(UserWarning, match=r"lr=0\.001 makes steps 1000 times shorter") as said:
            optimizer.add_param_group({"params": second, "lr": 0.001})
        assert [(len(said), warning.filename) for warning in said] == [(1, __file__)]
        optimizer.add_param_group({"params": third, "lr": 0.1})

    def test_is_said_once(self) -> None:
        """Of all groups together, and not again of one that has the optimizer's own."""
        model = make_model()
        groups = [{"params": model[0].parameters()}, {"params": model[2].parameters()}]
        with pytest.warns(UserWarning, match="times shorter") as said:
            optimizer = make_tensor(groups, lr=0.01)
        assert len(said) == 1
        optimizer.add_param_group({"params": make_model().parameters()})
        assert run(optimizer, model, None) == []

    @pytest.mark.parametrize(
        "shorten",
        [
            lambda o: o.param_groups[0].update(lr=3e-4),
            lambda o: lr_scheduler.OneCycleLR(o, 1e-3, 21),
        ],
        ids=["by hand", "one cycle"],
    )
    def test_is_said_where_it_is_set_afterwards(self, shorten: Any) -> None:
        """Once, at the first step: what `OneCycleLR` begins with is a part of what it will be."""
        model = make_model()
        optimizer = make_tensor(model.parameters(), warmup_steps=0, decay_after=0)
        shorten(optimizer)
        (said,) = run(optimizer, model, None)
        assert "times shorter than those that Θ was trained with (lr=1)" in said

    @pytest.mark.parametrize(
        "schedule",
        [
            lambda o: lr_scheduler.LinearLR(o, 0.01),
            lambda o: lr_scheduler.OneCycleLR(o, 1.0, 21),
            lambda o: lr_scheduler.CyclicLR(o, 0.01, 1.0, 5),
        ],
        ids=["warm-up", "one cycle", "cyclic"],
    )
    def test_a_schedule_that_begins_low_is_nothing_to_say(self, schedule: Any) -> None:
        model = make_model()
        optimizer = make_tensor(model.parameters(), warmup_steps=0, decay_after=0)
        assert run(optimizer, model, schedule(optimizer)) == []

    @pytest.mark.parametrize("lr", [0.0, 0.05, 3.0])
    def test_a_part_of_its_own_is_nothing_to_say(self, lr: float) -> None:
        make_tensor(make_model().parameters(), lr=lr)


class TestEffectiveRate:
    def test_is_what_the_next_step_has(self) -> None:
        model = make_model()
        theta = make_scheduled_theta()
        optimizer = HyperAdam([{"params": model.parameters(), "lr": 0.02}], theta)
        rates = []
        for step in range(6):
            rates.append(optimizer.effective_lr(optimizer.param_groups[0]))
            train(model, optimizer, range(step, step + 1))
        shares = [1 / 3, 2 / 3, 1, 1, math.sqrt(4 / 5), math.sqrt(4 / 6)]
        assert rates == pytest.approx([0.02 * share for share in shares])


NUMBERS = [np.float32(0.05), np.float64(0.05), torch.tensor(0.05)]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: type(value).__name__)
@every_optimizer
def test_a_rate_may_be_any_kind_of_number(make: Make, value: Any) -> None:
    ends = []
    for lr in (copy.deepcopy(value), float(value)):  # schedulers write into tensors
        model = make_model()
        optimizer = make(model.parameters(), lr=lr)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
        run(optimizer, model, scheduler)
        ends.append(flatten(model))
    torch.testing.assert_close(*ends, rtol=1e-4, atol=1e-6)


def test_a_schedule_may_be_of_numpy_and_torch() -> None:
    whole = {"warmup_steps": np.int64(3), "decay_after": torch.tensor(4)}
    ends = []
    for knobs in (whole, {"warmup_steps": 3, "decay_after": 4}):
        model = make_model()
        train(model, HyperAdam(model.parameters(), make_theta(), **knobs), range(6))
        ends.append(flatten(model))
    assert torch.equal(*ends)


@every_optimizer
def test_maximize_climbs(make: Make) -> None:
    ends = []
    for maximize in (False, True):
        model = make_model()
        optimizer = make(model.parameters(), maximize=maximize)
        for step in range(3):
            set_random_gradients(model.parameters(), step)
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter.grad *= -1 if maximize else 1
            optimizer.step()
        ends.append(flatten(model))
    assert torch.equal(*ends)
    assert not torch.equal(ends[0], flatten(make_model()))


@pytest.mark.parametrize("make", [make_adamw, make_hyperadam, make_tensor])
def test_maximize_of_one_group_is_its_own(make: Make) -> None:
    model = make_model()
    first = {"params": list(model[0].parameters()), "maximize": True}
    optimizer = make([first, {"params": list(model[2].parameters())}])
    before = flatten(model)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moved = flatten(model) - before
    assert bool((moved[:20] > 0).all())
    assert bool((moved[20:] < 0).all())


@every_learned
def test_a_step_that_is_not_finite_may_be_skipped(make: Make) -> None:
    """AdamW has no such thing: its weights are NaN from then on."""
    model = make_model()
    control = make_model()
    optimizer: Any = make(model.parameters(), skip_nonfinite=True)
    others_optimizer = make(control.parameters())
    for step in range(4):
        set_random_gradients(control.parameters(), step)
        others_optimizer.step()
        train(model, optimizer, range(step, step + 1))
        before = flatten(model)
        model[0].weight.grad[0, 0] = torch.nan
        optimizer.step()
        assert torch.equal(flatten(model), before)
    assert torch.equal(flatten(model), flatten(control))
    assert optimizer.n_skipped_steps == 4

    spoilt = make_model()
    adamw = AdamW(spoilt.parameters())
    set_random_gradients(spoilt.parameters(), 0)
    spoilt[0].weight.grad[0, 0] = torch.nan
    adamw.step()
    assert not flatten(spoilt).isfinite().all()
