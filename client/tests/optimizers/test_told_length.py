"""What a trainer tells an optimizer of the length of its run. With the real ones:
tests/integrations/test_lengths.py."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
from hyperadam import HyperAdam, Theta
from hyperadam.integrations.lengths import tell_length
from hyperadam.rates import MOST_STEPS
from small_run import make_parameters, make_theta, set_gradients

OVER_TOLD = "comes from a checkpoint or an earlier training"
MADE_WITH = "the optimizer was made with total_steps"


def make_optimizer(n_made: int = 0, **arguments: Any) -> HyperAdam:
    """One that has a rest, after so many steps."""
    theta = make_theta()
    resting = Theta(theta.rule, theta.tensors, replace(theta.rate, rest=0.5))
    parameters = make_parameters()
    optimizer = HyperAdam(parameters, resting, **arguments)
    for step in range(n_made):
        set_gradients(parameters, step)
        optimizer.step()
    return optimizer


def read_told(optimizer: HyperAdam) -> list[int]:
    return [group["total_steps"] for group in optimizer.param_groups]


def resume(n_made: int, told: int, **arguments: Any) -> HyperAdam:
    """One whose checkpoint was told so many steps, and has made some of them."""
    packed = make_optimizer(n_made, total_steps=told).state_dict()
    optimizer = make_optimizer(**arguments)
    optimizer.load_state_dict(packed)
    return optimizer


def test_a_run_that_begins_is_told_its_length() -> None:
    optimizer = make_optimizer()
    tell_length(optimizer, 10)
    assert read_told(optimizer) == [10]


def test_every_group_is_told_by_its_own_count() -> None:
    parameters = make_parameters()
    optimizer = HyperAdam([{"params": parameters[:1]}, {"params": parameters[1:]}], rest=0.5)
    for step in range(3):
        set_gradients(parameters, step)
        parameters[0].grad = None
        optimizer.step()
    tell_length(optimizer, 10, n_done=3)
    assert read_told(optimizer) == [7, 10]


def test_a_second_training_goes_on_where_the_first_has_ended() -> None:
    optimizer = make_optimizer()
    tell_length(optimizer, 3)
    for step in range(3):
        set_gradients(optimizer.param_groups[0]["params"], step)
        optimizer.step()
    tell_length(optimizer, 10)
    assert read_told(optimizer) == [13]


def test_a_second_training_after_one_that_was_stopped_says_so() -> None:
    optimizer = make_optimizer(2)
    optimizer.param_groups[0]["total_steps"] = 5
    with pytest.warns(UserWarning, match=f"total_steps=5 of the optimizer {OVER_TOLD}"):
        tell_length(optimizer, 10)
    assert read_told(optimizer) == [12]


@pytest.mark.parametrize("n_done", [3, 4], ids=["as many steps", "one was skipped"])
def test_a_run_that_goes_on_keeps_its_length(n_done: int) -> None:
    optimizer = resume(3, 10)
    tell_length(optimizer, 10, n_done)
    assert read_told(optimizer) == [10]


@pytest.mark.parametrize("told", [5, 3], ids=["in the middle", "at its end"])
def test_a_run_that_goes_on_for_longer_has_the_new_length_and_says_so(told: int) -> None:
    optimizer = resume(3, told)
    with pytest.warns(UserWarning, match=f"total_steps={told} .* {OVER_TOLD}.* total_steps=8"):
        tell_length(optimizer, 8, n_done=3)
    assert read_told(optimizer) == [8]


def test_a_resumed_second_training_keeps_its_length() -> None:
    """Two steps lay behind it when it began, which makes two: told 4, it has made 3."""
    optimizer = resume(3, 4)
    tell_length(optimizer, 2, n_done=1)
    assert read_told(optimizer) == [4]


@pytest.mark.parametrize("n_made", [0, 2])
def test_what_it_was_made_with_stays_and_the_difference_is_said(n_made: int) -> None:
    optimizer = make_optimizer(n_made, total_steps=40)
    with pytest.warns(UserWarning, match=rf"{MADE_WITH}=40.* stops at its step {10 + n_made}\."):
        tell_length(optimizer, 10)
    assert read_told(optimizer) == [40]


def test_what_a_group_was_made_with_stays() -> None:
    parameters = make_parameters()
    groups = [{"params": parameters[:1], "total_steps": 4}, {"params": parameters[1:]}]
    optimizer = HyperAdam(groups, rest=0.5)
    with pytest.warns(UserWarning, match=f"{MADE_WITH}=4"):
        tell_length(optimizer, 10)
    assert read_told(optimizer) == [4, 10]


def test_what_it_was_made_with_gives_way_when_it_is_over() -> None:
    optimizer = make_optimizer(3, total_steps=3)
    tell_length(optimizer, 10)
    assert read_told(optimizer) == [13]


def test_a_checkpoint_gives_way_to_what_trainer_and_maker_say() -> None:
    optimizer = resume(3, 5, total_steps=10)
    with pytest.warns(UserWarning, match=f"total_steps=5 .* {OVER_TOLD}"):
        tell_length(optimizer, 10, n_done=3)
    assert read_told(optimizer) == [10]


def test_one_warning_says_it_of_all_groups() -> None:
    parameters = make_parameters()
    groups = [{"params": parameters[:1]}, {"params": parameters[1:]}]
    optimizer = HyperAdam(groups, rest=0.5, total_steps=40)
    with pytest.warns(UserWarning, match=f"{MADE_WITH}=40") as warned:
        tell_length(optimizer, 10)
    assert len(warned) == 1


def test_a_theta_without_a_rest_is_told_and_it_is_said_that_nothing_changes() -> None:
    optimizer = HyperAdam(make_parameters(), make_theta())
    with pytest.warns(UserWarning, match="total_steps changes nothing: this Θ has no rest"):
        tell_length(optimizer, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_length(optimizer, 10)
    assert read_told(optimizer) == [10]


@pytest.mark.parametrize(("n_steps", "n_done"), [(0, 0), (-1, 0), (5, 5), (MOST_STEPS + 1, 0)])
def test_what_is_no_length_is_not_told(n_steps: int, n_done: int) -> None:
    optimizer = make_optimizer()
    tell_length(optimizer, n_steps, n_done)
    assert read_told(optimizer) == [0]
