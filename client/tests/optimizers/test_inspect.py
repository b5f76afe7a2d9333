"""`optimizer.inspect()`: what it says is what steps do."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from every_optimizer import (
    Make,
    every_learned,
    flatten,
    make_hyperadam,
    make_model,
    make_rnnprop,
    make_tensor,
    set_random_gradients,
    train,
)
from hyperadam.integrations.values import find_learned, measure
from torch import nn


@every_learned
def test_a_step_is_as_long_as_it_says(make: Make) -> None:
    """Rates are constant here, so that the next step's is the last one's."""
    model = make_model()
    optimizer: Any = make(model.named_parameters())
    train(model, optimizer, range(4))
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    set_random_gradients(model.parameters(), 4)
    optimizer.step()
    insights = optimizer.inspect()
    assert [one.name for one in insights] == list(before)
    for one, weight in zip(insights, model.parameters(), strict=True):
        moved = (weight.detach() - before[one.name]).square().mean().sqrt().item()
        assert one.effective_lr * one.direction_rms == pytest.approx(moved, rel=1e-3)
        assert one.weight_rms == pytest.approx(weight.detach().square().mean().sqrt().item())
        assert one.relative_step == pytest.approx(moved / one.weight_rms, rel=1e-3)


@every_learned
def test_looking_changes_nothing(make: Make) -> None:
    model = make_model()
    optimizer: Any = make(model.parameters())
    train(model, optimizer, range(3))
    twin = copy.deepcopy(model)
    other: Any = make(twin.parameters())
    other.load_state_dict(optimizer.state_dict())
    random = torch.get_rng_state()
    optimizer.inspect()
    assert torch.get_rng_state().equal(random)
    train(model, optimizer, range(3, 5))
    train(twin, other, range(3, 5))
    assert flatten(model).equal(flatten(twin))


def test_untrained_cells_of_tensors_say_what_they_were_started_with() -> None:
    """β_j = 1 − 1/τ_j with τ from 1.1 to 100, γ = 0.99, ρ_j = 4/J."""
    model = make_model()
    optimizer: Any = make_tensor(model.parameters())
    train(model, optimizer, range(2))
    horizons = [1.1 * (100 / 1.1) ** (j / 3) for j in range(4)]
    for one in optimizer.inspect():
        assert one.mixture == pytest.approx([1.0] * 4)
        assert one.beta == pytest.approx([1 - 1 / tau for tau in horizons], rel=1e-5)
        assert one.gamma == pytest.approx([0.99])


def test_decay_rates_of_rnnprop_are_constants() -> None:
    model = make_model()
    optimizer: Any = make_rnnprop(model.parameters())
    train(model, optimizer, range(2))
    for one in optimizer.inspect():
        assert (one.mixture, one.beta, one.gamma) == (
            (),
            pytest.approx((0.95,)),
            pytest.approx((0.95,)),
        )


def test_the_mean_over_a_tensor_is_of_its_own_coordinates() -> None:
    model = make_model()
    optimizer: Any = make_hyperadam(model.parameters())
    train(model, optimizer, range(3))
    parameter = next(model.parameters())
    theta = optimizer.theta.tensors
    hidden = optimizer.state[parameter]["hidden"].flatten(1)
    logits = theta["weight_cell.weight"] @ hidden + theta["weight_cell.bias"][:, None]
    expected = nn.functional.elu(logits).mean(1).tolist()
    assert optimizer.inspect()[0].mixture == pytest.approx(expected, rel=1e-5)


@every_learned
def test_what_has_not_moved_is_left_out(make: Make) -> None:
    model = make_model()
    optimizer: Any = make(model.parameters())
    assert optimizer.inspect() == []
    first = next(model.parameters())
    train(model, optimizer, range(1))
    optimizer.state.pop(first)
    assert [one.name for one in optimizer.inspect()] == ["0.1", "0.2", "0.3"]


def test_weights_that_are_all_0_have_no_scale() -> None:
    weight = nn.Parameter(torch.zeros(3, 2))
    optimizer: Any = make_tensor([weight])
    weight.grad = torch.ones(3, 2)
    optimizer.step()
    with torch.no_grad():
        weight.zero_()
    [one] = optimizer.inspect()
    assert math.isinf(one.relative_step)


def test_what_callbacks_log() -> None:
    model = make_model()
    optimizer: Any = make_hyperadam(model.parameters())
    assert measure(optimizer) == {}
    train(model, optimizer, range(2))
    values = measure(optimizer)
    insights = optimizer.inspect()
    squares = [one.direction_rms**2 * math.prod(one.shape) for one in insights]
    assert values["hyperadam/direction_norm"] == pytest.approx(math.sqrt(sum(squares)))
    n_coordinates = sum(math.prod(one.shape) for one in insights)
    mean = sum(one.beta[0] * math.prod(one.shape) for one in insights) / n_coordinates
    assert values["hyperadam/beta/1"] == pytest.approx(mean)
    rate = optimizer.effective_lr(optimizer.param_groups[0])
    assert values["hyperadam/effective_lr"] == rate
    assert all(isinstance(value, float) for value in values.values())


def test_learned_optimizers_are_found_in_wrappers() -> None:
    model = make_model()
    learned = make_hyperadam(model.parameters())
    wrapped = SimpleNamespace(optimizer=SimpleNamespace(optimizer=learned))
    other = torch.optim.AdamW(model.parameters())
    assert list(find_learned([other, wrapped, None])) == [learned]
