"""The schedule of a rate on parameters and groups: warm-up, decay, and the share of weights of many
inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hyperadam import HyperAdam, Theta
from small_run import make_parameters, make_theta, set_gradients
from torch import nn


def lengths_of_steps(
    optimizer: HyperAdam, parameters: list[nn.Parameter], n_steps: int
) -> list[list[float]]:
    """How far each parameter moves in each of the steps; the gradients are the same in every
    call."""
    result = []
    for step in range(n_steps):
        before = [parameter.detach().clone() for parameter in parameters]
        set_gradients(parameters, step)
        optimizer.step()
        result.append(
            [(p.detach() - b).norm().item() for p, b in zip(parameters, before, strict=True)]
        )
    return result


class TestWarmUp:
    """Step t of a group moves min(1, (t + 1) / W) times as far as it would: directions follow from
    gradients alone."""

    SHARES = (0.25, 0.5, 0.75, 1.0, 1.0)

    def without(self) -> list[list[float]]:
        parameters = make_parameters(torch.float64)
        return lengths_of_steps(HyperAdam(parameters, make_theta(), warmup_steps=0), parameters, 5)

    def expected(self, shares: Sequence[float]) -> list[list[float]]:
        return [
            [share * length for length in row]
            for share, row in zip(shares, self.without(), strict=True)
        ]

    def test_that_of_theta(self) -> None:
        parameters = make_parameters(torch.float64)
        theta = make_theta()
        warm = Theta(theta.rule, theta.tensors, replace(theta.rate, warmup_steps=4))
        moved = lengths_of_steps(HyperAdam(parameters, warm), parameters, 5)
        torch.testing.assert_close(torch.tensor(moved), torch.tensor(self.expected(self.SHARES)))

    def test_that_of_the_caller(self) -> None:
        parameters = make_parameters(torch.float64)
        moved = lengths_of_steps(HyperAdam(parameters, make_theta(), warmup_steps=4), parameters, 5)
        torch.testing.assert_close(torch.tensor(moved), torch.tensor(self.expected(self.SHARES)))

    def test_groups_have_their_own_and_a_new_one_begins_anew(self) -> None:
        first = make_parameters()
        new = nn.Parameter(torch.ones(3))
        groups = [{"params": first[:1], "warmup_steps": 0}, {"params": first[1:]}]
        optimizer = HyperAdam(groups, make_theta(), warmup_steps=2)
        set_gradients(first, 0)
        optimizer.step()
        optimizer.add_param_group({"params": [new]})
        assert [group["n_steps"] for group in optimizer.param_groups] == [1, 1, 0]
        new.grad = torch.ones(3)
        optimizer.step()
        assert [group["n_steps"] for group in optimizer.param_groups] == [2, 2, 1]
        assert [group["warmup_steps"] for group in optimizer.param_groups] == [0, 2, 2]

    def test_a_group_without_gradients_waits(self) -> None:
        parameters = make_parameters()
        optimizer = HyperAdam(
            [{"params": parameters[:1]}, {"params": parameters[1:]}], make_theta(), warmup_steps=4
        )
        set_gradients(parameters[:1], 0)
        optimizer.step()
        assert [group["n_steps"] for group in optimizer.param_groups] == [1, 0]

    def test_weight_decay_warms_up_too(self) -> None:
        weight = nn.Parameter(torch.full((4, 1), 2.0))
        plain = nn.Parameter(weight.detach().clone())
        for parameter, decay in ((weight, 0.5), (plain, 0.0)):
            optimizer = HyperAdam(
                [parameter], make_theta(), lr=0.1, weight_decay=decay, warmup_steps=5
            )
            parameter.grad = torch.ones(4, 1)
            optimizer.step()
        torch.testing.assert_close(plain - weight, torch.full((4, 1), 0.1 / 5 * 0.5 * 2.0))


class TestDecay:
    """Step t of a group moves √min(1, D / (t + 1)) times as far as it would."""

    SHARES = (1.0, 1.0, (2 / 3) ** 0.5, 0.5**0.5, (2 / 5) ** 0.5)

    @pytest.mark.parametrize("of_theta", [True, False], ids=["of Θ", "of the caller"])
    def test_a_long_run_comes_to_rest(self, of_theta: bool) -> None:
        theta = make_theta()
        (constant, falling) = (make_parameters(torch.float64) for _ in range(2))
        full = lengths_of_steps(HyperAdam(constant, theta), constant, 5)
        own = Theta(theta.rule, theta.tensors, replace(theta.rate, decay_after=2))
        optimizer = (
            HyperAdam(falling, own) if of_theta else HyperAdam(falling, theta, decay_after=2)
        )
        moved = lengths_of_steps(optimizer, falling, 5)
        expected = [
            [share * length for length in row] for share, row in zip(self.SHARES, full, strict=True)
        ]
        torch.testing.assert_close(torch.tensor(moved), torch.tensor(expected))


class TestShares:
    """Of more than F inputs, of fewer than G, of more than P places: those move a share of the way,
    all others all."""

    def modules(self) -> list[nn.Module]:
        torch.manual_seed(0)
        return [nn.Linear(16, 3), nn.Conv2d(2, 3, 2), nn.LayerNorm(32)]

    def moved(self, **arguments: Any) -> list[list[float]]:
        parameters = [parameter for module in self.modules() for parameter in module.parameters()]
        return lengths_of_steps(HyperAdam(parameters, make_theta(), **arguments), parameters, 3)

    @pytest.mark.parametrize(
        ("fields", "shares"),
        [
            ({"base_fan_in": 4}, [4 / 16, 1, 4 / 8, 1, 1, 1]),
            ({"base_places": 3}, [1, 1, 3 / 4, 1, 1, 1]),
            ({"least_fan_in": 5}, [1, 1 / 5, 1, 1 / 5, 1 / 5, 1 / 5]),
            (
                {"base_fan_in": 4, "least_fan_in": 2, "base_places": 3},
                [4 / 16, 1 / 2, 3 / 8, 1 / 2, 1 / 2, 1 / 2],
            ),
        ],
        ids=str,
    )
    def test_shares(self, fields: dict[str, int], shares: list[float]) -> None:
        expected = torch.tensor(self.moved()) * torch.tensor(shares)
        torch.testing.assert_close(torch.tensor(self.moved(**fields)), expected, rtol=1e-4, atol=0)

    def test_groups_have_their_own(self) -> None:
        linear, conv, _ = self.modules()
        parameters = [*linear.parameters(), *conv.parameters()]
        groups = [{"params": parameters[:2], "base_fan_in": 0}, {"params": parameters[2:]}]
        optimizer = HyperAdam(groups, make_theta(), base_fan_in=4)
        assert [group["base_fan_in"] for group in optimizer.param_groups] == [0, 4]
        moved = torch.tensor(lengths_of_steps(optimizer, parameters, 1)[0])
        parameters = [p for module in self.modules()[:2] for p in module.parameters()]
        full = torch.tensor(lengths_of_steps(HyperAdam(parameters, make_theta()), parameters, 1)[0])
        torch.testing.assert_close(moved, full * torch.tensor([1, 1, 4 / 8, 1]), rtol=1e-4, atol=0)

    def test_weight_decay_is_of_the_whole_rate(self) -> None:
        (wide, plain) = ([nn.Parameter(torch.full((1, 8), 2.0))] for _ in range(2))
        zero = torch.zeros(1, 8)
        for parameters, decay in ((wide, 0.5), (plain, 0.0)):
            parameters[0].grad = zero + 1
            HyperAdam(parameters, make_theta(), lr=0.1, weight_decay=decay, base_fan_in=2).step()
        torch.testing.assert_close(plain[0] - wide[0], torch.full((1, 8), 0.1 * 0.5 * 2.0))
