"""What people bring along from AdamW, and from models that are not there yet: it is answered with
what to do."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from every_optimizer import (
    make_adamw,
    make_hyperadam,
    make_model,
    make_tensor,
    set_random_gradients,
)
from hyperadam import HyperAdam, pretrained
from torch import nn


class TestArguments:
    @pytest.mark.parametrize("name", ["betas", "eps", "amsgrad", "fused", "foreach"])
    def test_of_adamw(self, name: str) -> None:
        options: Any = {name: True}
        with pytest.raises(TypeError, match=f"no argument '{name}': leave it out, .* lr, warmup_s"):
            make_tensor(make_model().parameters(), **options)

    def test_a_rate_by_place(self) -> None:
        rate: Any = 1e-3
        with pytest.raises(TypeError, match=r"got float; a rate is lr=0\.001, and is best left"):
            HyperAdam(make_model().parameters(), rate)

    def test_the_name_of_a_theta(self) -> None:
        name: Any = "hyperadam-v1"
        with pytest.raises(TypeError, match=r"pass theta=hyperadam\.pretrained\('hyperadam-v1'\)"):
            HyperAdam(make_model().parameters(), theta=name)

    def test_a_model(self) -> None:
        model: Any = make_model()
        with pytest.raises(TypeError, match=r"got Sequential; pass its parameters\(\)"):
            HyperAdam(model)


def test_a_state_of_adamw() -> None:
    """As where a run that AdamW began is to go on."""
    model = make_model()
    earlier = make_adamw(model.parameters())
    set_random_gradients(model.parameters(), 0)
    earlier.step()
    with pytest.raises(ValueError, match="load the model alone, and begin with a new optimizer"):
        make_tensor(model.parameters()).load_state_dict(earlier.state_dict())


class TestModelsThatAreNotThere:
    def test_lazy_ones_run_first(self) -> None:
        model = nn.Sequential(nn.LazyLinear(2))
        with pytest.raises(ValueError, match=r"no shape yet, .* run the model once on a batch"):
            make_tensor(model.parameters())
        model(torch.zeros(1, 3))
        make_tensor(model.parameters())

    def test_a_refused_lazy_group_is_not_added(self) -> None:
        optimizer = make_tensor(make_model().parameters())
        with pytest.raises(ValueError, match="no shape yet"):
            optimizer.add_param_group({"params": nn.LazyLinear(2).parameters()})
        assert len(optimizer.param_groups) == 1

    def test_memory_that_came_later_is_that_of_other_parameters(self) -> None:
        model = make_model().to("meta")
        optimizer = make_tensor(model.parameters())
        model.to_empty(device="cpu")
        set_random_gradients(model.parameters(), 0)
        with pytest.raises(RuntimeError, match=r"to_empty .* make the optimizer after that"):
            optimizer.step()

    def test_nothing_is_there_to_be_moved(self) -> None:
        weight = nn.Parameter(torch.empty(2, 2, device="meta"))
        optimizer = make_tensor([weight])
        weight.grad = torch.empty_like(weight)
        with pytest.raises(RuntimeError, match="on the meta device, which have no numbers"):
            optimizer.step()

    def test_what_is_frozen_may_have_no_memory(self) -> None:
        model = make_model()
        absent = nn.Parameter(torch.empty(2, 2, device="meta"), requires_grad=False)
        optimizer = make_tensor([*model.parameters(), absent])
        optimizer.step()
        set_random_gradients(model.parameters(), 0)
        optimizer.step()


class TestDecay:
    """AdamW multiplies 0.01 by a rate of 1e-3, which takes 1e-5 of the weights in a step."""

    def test_of_adamw_is_warned_of_with_what_does_the_same(self) -> None:
        said = r"weight_decay=0\.01 takes 0\.01 of the weights .*: weight_decay=1e-05 does the same"
        with pytest.warns(UserWarning, match=said):
            make_tensor(make_model().parameters(), weight_decay=0.01)

    def test_in_groups_is_said_once(self) -> None:
        first, second = nn.Linear(2, 2), nn.Linear(2, 2)
        groups = [
            {"params": module.parameters(), "weight_decay": 0.1, "lr": 0.5}
            for module in (first, second)
        ]
        with pytest.warns(UserWarning, match=r"takes 0\.05 of the weights .*=0\.0002 does") as said:
            make_tensor(groups)
        assert len(said) == 1

    def test_of_a_later_group(self) -> None:
        optimizer = make_tensor(make_model().parameters())
        with pytest.warns(UserWarning, match=r"weight_decay=0\.1 takes 0\.1 of the weights"):
            optimizer.add_param_group({"params": nn.Linear(2, 2).parameters(), "weight_decay": 0.1})

    @pytest.mark.parametrize("decay", [0.0, 1e-5, 0.001, torch.tensor(0.004)])
    def test_that_fits_is_not_warned_of(self, decay: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_tensor(make_model().parameters(), weight_decay=decay)

    def test_beside_a_small_rate_is_not_warned_of(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_hyperadam(make_model().parameters(), weight_decay=0.1)

    def test_of_theta_is_as_it_was_trained(self) -> None:
        theta = pretrained("hyperadam-v1")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            HyperAdam(make_model().parameters(), theta)

    def test_that_is_warned_of_is_what_it_says(self) -> None:
        weight = nn.Parameter(torch.ones(2, 2))
        with pytest.warns(UserWarning, match=r"takes 0\.1 of the weights"):
            optimizer = make_tensor([weight], weight_decay=0.1)
        weight.grad = torch.full_like(weight, 1e-30)
        plain = nn.Parameter(torch.ones(2, 2))
        plain.grad = weight.grad.clone()
        make_tensor([plain]).step()
        optimizer.step()
        torch.testing.assert_close(plain - weight, torch.full((2, 2), 0.1))
