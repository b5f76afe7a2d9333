"""The schedule of a rate: against torch's own schedulers, closed forms and `torch.nn.init`."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from hyperadam.rates import (
    KNOBS,
    Rate,
    RateKnobs,
    complete_changes,
)
from hyperadam.shapes import fan_in, places
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LinearLR, SequentialLR

N_STEPS = 40
WHOLE_KNOBS = [knob.name for knob in fields(Rate) if isinstance(knob.default, int)]
LIKE = torch.zeros(1, dtype=torch.float64)


def of_scheduler(make: Any) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = make(optimizer)
    rates = []
    for _ in range(N_STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_a_constant_rate() -> None:
    assert [Rate(lr=0.3).at(step) for step in range(N_STEPS)] == [0.3] * N_STEPS
    assert Rate(lr=0.3).share((1, 10**9, 99)) == 1
    assert Rate(lr=0.3).shares([(1,), (1, 10**9, 99)], LIKE) is None


@pytest.mark.parametrize("warmup_steps", [1, 2, 7])
def test_the_warm_up_is_torchs(warmup_steps: int) -> None:
    expected = of_scheduler(lambda o: LinearLR(o, 1 / warmup_steps, total_iters=warmup_steps - 1))
    assert [
        Rate(lr=0.3, warmup_steps=warmup_steps).at(step) for step in range(N_STEPS)
    ] == pytest.approx(expected)


@pytest.mark.parametrize("decay_after", [1, 5, 39, 40])
def test_the_decay_is_of_the_inverse_root(decay_after: int) -> None:
    expected = of_scheduler(lambda o: LambdaLR(o, lambda t: min(1, decay_after / (t + 1)) ** 0.5))
    assert [
        Rate(lr=0.3, decay_after=decay_after).at(step) for step in range(N_STEPS)
    ] == pytest.approx(expected)
    assert Rate(lr=1.0, decay_after=decay_after).at(4 * decay_after - 1) == pytest.approx(0.5)


@pytest.mark.parametrize(("rest", "n_resting"), [(0.25, 10), (0.5, 20), (1.0, 40)])
def test_the_rest_is_torchs_linear_fall(rest: float, n_resting: int) -> None:
    """It begins after the other steps, would be 0 one step after the last, and takes nothing of the
    way."""
    n_others = N_STEPS - n_resting

    def fall(optimizer: Any) -> Any:
        resting = LinearLR(optimizer, 1.0, 0.0, total_iters=n_resting)
        return SequentialLR(optimizer, [ConstantLR(optimizer, 1.0), resting], [n_others])

    rate = Rate(lr=0.3, rest=rest).over(N_STEPS)
    rates = [rate.at(step) for step in range(N_STEPS)]
    longer = 1 / (1 - rest / 2)
    assert rates == pytest.approx([longer * alpha for alpha in of_scheduler(fall)])
    assert rates[-1] == pytest.approx(longer * 0.3 / n_resting)
    assert sum(rates) == pytest.approx(N_STEPS * 0.3, rel=1 / N_STEPS)
    assert [rate.at(step) for step in (N_STEPS, N_STEPS + 1, 10 * N_STEPS)] == [0.0] * 3


def test_a_rest_multiplies_the_others_and_belongs_to_a_run() -> None:
    rate = Rate(lr=2.0, warmup_steps=10, decay_after=4, rest=0.5, weight_decay=0.1)
    over = rate.over(20)
    left = [min(1.0, (20 - step) / 10) for step in range(20)]
    assert [over.at(step) for step in range(20)] == pytest.approx(
        [rate.at(step) * part / 0.75 for step, part in enumerate(left)]
    )
    assert over.retention(19) == pytest.approx(1 - 0.1 * over.at(19))
    assert over.to_fields() == rate.to_fields()
    assert replace(over, lr=4.0).at(19) == pytest.approx(2 * over.at(19))
    assert rate.over(0) is rate
    assert over.over(40) == rate.over(40)
    assert over.over(40).at(19) == pytest.approx(rate.at(19) / 0.75)
    unrested = replace(rate, rest=0.0)
    assert unrested.over(20) is unrested


@pytest.mark.parametrize(
    ("share", "n_steps", "expected"),
    [
        (0.1, 2000, 200),
        (0.1, 300, 40),
        (0.1, 400, 40),
        (0.1, 410, 41),
        (0.0, 2000, 40),
        (1.0, 9, 40),
    ],
)
def test_a_long_run_that_is_told_its_length_has_a_longer_warm_up(
    share: float, n_steps: int, expected: int
) -> None:
    rate = Rate(lr=2.0, warmup_steps=40, warmup_share=share, decay_after=150, rest=0.2)
    in_steps = replace(rate, warmup_steps=expected, warmup_share=0.0).over(n_steps)
    over = rate.over(n_steps)
    assert over.n_warmup_steps == expected
    assert [over.at(step) for step in range(n_steps)] == [
        in_steps.at(step) for step in range(n_steps)
    ]
    assert over.to_fields() == rate.to_fields()
    assert rate.n_warmup_steps == 40
    assert rate.at(10) == replace(rate, warmup_share=0.0).at(10)


def test_a_warm_up_needs_no_rest_and_none_stays_none() -> None:
    rate = Rate(lr=1.0, warmup_steps=2, warmup_share=0.5)
    assert [rate.over(8).at(step) for step in range(9)] == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 0]
    none = replace(rate, warmup_steps=0)
    assert [none.over(8).at(step) for step in range(8)] == [1.0] * 8


def test_a_warm_up_in_steps_is_meant_as_it_is() -> None:
    assert complete_changes({"warmup_steps": 7}) == {"warmup_steps": 7, "warmup_share": 0.0}
    both = {"warmup_steps": 7, "warmup_share": 0.2}
    assert complete_changes(both) == both
    for others in ({}, {"rest": 0.1}, {"warmup_steps": None}, {"warmup_share": 0.2}):
        assert complete_changes(others) == others


@pytest.mark.parametrize("value", [-1, 2.5, True, None, "5", 10**12])
def test_what_is_no_length_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="total_steps must be a whole number from 0 to"):
        Rate(lr=1.0, rest=0.5).over(value)


def test_both_multiply() -> None:
    both = Rate(lr=2.0, warmup_steps=10, decay_after=4)
    warm = Rate(lr=2.0, warmup_steps=10)
    falling = Rate(lr=1.0, decay_after=4)
    assert [both.at(t) for t in range(N_STEPS)] == pytest.approx(
        [warm.at(t) * falling.at(t) for t in range(N_STEPS)]
    )


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(7, 3),
        nn.Conv2d(4, 5, 3),
        nn.Conv1d(4, 6, 5, groups=2),
        nn.ConvTranspose2d(4, 5, 3),
    ],
    ids=lambda module: type(module).__name__,
)
def test_fan_in_is_that_of_torchs_initialisation(module: nn.Module) -> None:
    weight: Any = module.weight
    expected, _ = nn.init._calculate_fan_in_and_fan_out(weight)
    assert fan_in(weight.shape) == expected
    assert fan_in((7,)) == fan_in(()) == 1
    assert places(weight.shape) == math.prod(getattr(module, "kernel_size", ()))
    assert places((7,)) == places(()) == 1


@pytest.mark.parametrize(
    "rate",
    [
        Rate(lr=0.1, base_fan_in=16),
        Rate(lr=0.1, base_places=3),
        Rate(lr=0.1, base_fan_in=16, least_fan_in=3, base_places=3),
    ],
    ids=str,
)
def test_shares_are_those_of_each_parameter(rate: Rate) -> None:
    shapes = [(2, 64), (2,), (3, 16), (5, 4, 3, 3), (4, 3, 3)]
    shares = rate.shares(shapes, LIKE)
    assert shares is not None
    expected = [rate.share(shape) for shape in shapes for _ in range(math.prod(shape))]
    torch.testing.assert_close(shares, torch.tensor(expected, dtype=torch.float64))
    assert rate.shares(shapes[2:3], LIKE) is None
    assert rate.shares(None, LIKE) is None


def test_what_a_share_is() -> None:
    assert [Rate(lr=0.1, base_fan_in=16).share((5, n)) for n in (1, 16, 32, 64)] == pytest.approx(
        [1, 1, 0.5, 0.25]
    )
    assert [Rate(lr=0.1, base_places=3).share((5, 4, n, n)) for n in (1, 2, 3)] == pytest.approx(
        [1, 0.75, 1 / 3]
    )
    assert (
        Rate(lr=0.1, base_places=3).share((5, 4, 3))
        == Rate(lr=0.1, base_places=3).share((5, 400))
        == 1
    )
    few = [
        Rate(lr=0.1, least_fan_in=3).share(shape)
        for shape in ((), (9,), (9, 2), (9, 3), (9, 1, 2, 2))
    ]
    assert few == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1, 1])
    assert Rate(lr=0.1, base_fan_in=18, base_places=3).share((5, 4, 3, 3)) == pytest.approx(1 / 6)


def test_weight_decay_is_per_unit_of_the_rate() -> None:
    rate = Rate(lr=0.1, warmup_steps=4, decay_after=6, weight_decay=2.0)
    assert [rate.retention(t) for t in range(N_STEPS)] == [
        1 - 2.0 * rate.at(t) for t in range(N_STEPS)
    ]
    assert {Rate(lr=0.1).retention(t) for t in range(N_STEPS)} == {1.0}


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, None, "5", 1e9])
@pytest.mark.parametrize(
    ("name", "largest"), [("weight_decay", 1000), ("rest", 1), ("warmup_share", 1)]
)
def test_what_is_no_number_is_refused_by_name(name: str, largest: int, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number from 0 to {largest}, got"):
        Rate.from_fields({"lr": 0.1, name: value})


@pytest.mark.parametrize("value", [-1, 2.0, True, None, "5", 10**12])
@pytest.mark.parametrize("name", WHOLE_KNOBS)
def test_what_is_no_schedule_is_refused_by_name(name: str, value: object) -> None:
    assert Rate.from_fields({"lr": 0.1, name: 1}).to_fields()[name] == 1
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 0 to"):
        Rate.from_fields({"lr": 0.1, name: value})


LARGEST = {
    "warmup_steps": 10_000,
    "warmup_share": 1,
    "decay_after": 1_000_000_000,
    "rest": 1,
    "base_fan_in": 1_000_000_000,
    "least_fan_in": 1_000_000,
    "base_places": 1_000_000,
    "weight_decay": 1_000,
}


@pytest.mark.parametrize("name", KNOBS)
def test_a_knob_goes_up_to_its_largest_value(name: str) -> None:
    largest = LARGEST[name]
    assert Rate.from_fields({"lr": 0.1, name: largest}).to_fields()[name] == largest
    with pytest.raises(ValueError, match=rf"{name} must be .* from 0 to {largest}, got"):
        Rate.from_fields({"lr": 0.1, name: largest + 1})


def test_the_knobs_of_optimizers_are_those_of_the_rate() -> None:
    assert tuple(RateKnobs.__annotations__) == KNOBS


def test_a_rate_reads_back_its_fields() -> None:
    rate = Rate(lr=0.1, warmup_steps=4, base_places=3, weight_decay=0.5)
    assert Rate.from_fields({**rate.to_fields(), "params": []}) == rate
    assert Rate.from_fields({"lr": 0.1}) == Rate(lr=0.1)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, True, None, "5", 10**400])
def test_what_is_no_alpha_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="lr must be a finite number of at least 0, got"):
        Rate(lr=value)
