"""The schedule of a rate on parameters and groups: warm-up, decay, and the share of weights of many
inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hyperadam import HyperAdam, Theta
from hyperadam.rates import Rate
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

    @pytest.mark.filterwarnings("ignore:weight_decay=.* of the weights")
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


class TestLongerWarmUp:
    """Told its N steps, a group warms up over S N of them where that is more than its W."""

    def rates(self, n_steps: int = 6, **arguments: Any) -> list[float]:
        theta = make_theta()
        own = Theta(theta.rule, theta.tensors, Rate(lr=1.0, warmup_steps=2, warmup_share=0.5))
        parameters = make_parameters(torch.float64)
        optimizer = HyperAdam(parameters, own, **arguments)
        rates = []
        for step in range(n_steps):
            rates.append(optimizer.effective_lr(optimizer.param_groups[0]))
            set_gradients(parameters, step)
            optimizer.step()
        return rates

    def test_it_is_as_long_as_the_run(self) -> None:
        assert self.rates(total_steps=8) == [0.25, 0.5, 0.75, 1, 1, 1]
        assert self.rates(total_steps=4, n_steps=4) == [0.5, 1, 1, 1]

    def test_a_run_of_unknown_length_has_the_usual_one(self) -> None:
        assert self.rates() == [0.5, 1, 1, 1, 1, 1]

    @pytest.mark.filterwarnings("ignore:total_steps changes nothing")
    def test_one_that_the_caller_gives_is_as_it_is_given(self) -> None:
        """Then this Θ, which has no rest, has nothing to be told for."""
        third = [1 / 3, 2 / 3, 1, 1, 1, 1]
        assert self.rates(total_steps=8, warmup_steps=3) == pytest.approx(third)
        assert self.rates(total_steps=8, warmup_steps=0) == [1] * 6
        assert self.rates(total_steps=8, warmup_steps=1, warmup_share=0.25)[:2] == [0.5, 1]

    @pytest.mark.filterwarnings("ignore:total_steps changes nothing")
    def test_one_that_a_group_gives_is_as_it_is_given(self) -> None:
        theta = make_theta()
        own = Theta(theta.rule, theta.tensors, Rate(lr=1.0, warmup_steps=2, warmup_share=0.5))
        first, second = (nn.Parameter(torch.ones(3)) for _ in range(2))
        groups = [{"params": [first], "warmup_steps": 4}, {"params": [second]}]
        optimizer = HyperAdam(groups, own, total_steps=80)
        rates = [optimizer.effective_lr(group) for group in optimizer.param_groups]
        assert rates == [0.25, 1 / 40]


class TestRest:
    """Told its N steps, step t of a group moves min(1, (N − t) / (R N)) / (1 − R / 2) times as far
    as it would."""

    def move(self, n_steps: int = 5, **arguments: Any) -> list[list[float]]:
        parameters = make_parameters(torch.float64)
        return lengths_of_steps(HyperAdam(parameters, **arguments), parameters, n_steps)

    def expected(self, shares: Sequence[float]) -> torch.Tensor:
        full = self.move(len(shares), theta=make_theta())
        return torch.tensor(
            [[share * length for length in row] for share, row in zip(shares, full, strict=True)]
        )

    @pytest.mark.parametrize("of_theta", [True, False], ids=["of Θ", "of the caller"])
    def test_it_falls_to_0_at_the_end(self, of_theta: bool) -> None:
        theta = make_theta()
        own = Theta(theta.rule, theta.tensors, replace(theta.rate, rest=0.8))
        arguments = {"theta": own} if of_theta else {"theta": theta, "rest": 0.8}
        moved = self.move(total_steps=5, **arguments)
        shares = [left / 0.6 for left in (1.0, 1.0, 0.75, 0.5, 0.25)]
        torch.testing.assert_close(torch.tensor(moved), self.expected(shares))

    def test_a_run_of_unknown_length_has_none(self) -> None:
        moved = self.move(theta=make_theta(), rest=0.8)
        torch.testing.assert_close(torch.tensor(moved), self.expected([1.0] * 5))

    def test_beyond_its_end_nothing_moves_and_it_is_said_once(self) -> None:
        message = "all of total_steps=2 were made: from here on nothing moves"
        with pytest.warns(UserWarning, match=message) as warned:
            moved = self.move(4, theta=make_theta(), rest=0.5, total_steps=2)
        assert len(warned) == 1
        torch.testing.assert_close(
            torch.tensor(moved), self.expected((1 / 0.75, 1 / 0.75, 0.0, 0.0))
        )

    def test_a_theta_without_a_rest_is_told_for_nothing_and_says_so(self) -> None:
        with pytest.warns(UserWarning, match="total_steps changes nothing: this Θ has no rest"):
            moved = self.move(theta=make_theta(), total_steps=5)
        torch.testing.assert_close(torch.tensor(moved), self.expected([1.0] * 5))

    def test_a_checkpoint_goes_on_towards_the_same_end(self) -> None:
        parameters = make_parameters(torch.float64)
        optimizer = HyperAdam(parameters, make_theta(), rest=0.8, total_steps=5)
        lengths_of_steps(optimizer, parameters, 3)
        resumed = HyperAdam(parameters, make_theta())
        resumed.load_state_dict(optimizer.state_dict())
        assert resumed.effective_lr(resumed.param_groups[0]) == optimizer.effective_lr(
            optimizer.param_groups[0]
        )
        group = resumed.param_groups[0]
        assert (group["total_steps"], group["n_steps"]) == (5, 3)

    def test_a_checkpoint_from_before_knows_no_end(self) -> None:
        parameters = make_parameters(torch.float64)
        optimizer = HyperAdam(parameters, make_theta())
        saved = optimizer.state_dict()
        for group in saved["param_groups"]:
            del group["total_steps"], group["rest"]
        optimizer.load_state_dict(saved)
        group = optimizer.param_groups[0]
        assert (group["total_steps"], group["rest"]) == (0, 0)

    def test_a_new_group_comes_to_rest_with_the_first(self) -> None:
        first, new, own = (nn.Parameter(torch.ones(3)) for _ in range(3))
        optimizer = HyperAdam([first], make_theta(), rest=0.5, total_steps=10)
        for _ in range(4):
            first.grad = torch.ones(3)
            optimizer.step()
        optimizer.add_param_group({"params": [new]})
        optimizer.add_param_group({"params": [own], "total_steps": 9})
        assert [group["total_steps"] for group in optimizer.param_groups] == [10, 6, 9]
        optimizer.param_groups[0]["n_steps"] = 99
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3))]})
        assert optimizer.param_groups[-1]["total_steps"] == 1

    def test_a_scheduler_on_top_makes_steps_short_twice(self) -> None:
        parameters = make_parameters()
        optimizer = HyperAdam(parameters, make_theta(), rest=0.5, total_steps=9)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        set_gradients(parameters, 0)
        optimizer.step()
        scheduler.step()
        with pytest.warns(UserWarning, match="on top of Θ's own schedule .*total_steps=9"):
            optimizer.step()


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

    @pytest.mark.filterwarnings("ignore:weight_decay=.* of the weights")
    def test_weight_decay_is_of_the_whole_rate(self) -> None:
        (wide, plain) = ([nn.Parameter(torch.full((1, 8), 2.0))] for _ in range(2))
        zero = torch.zeros(1, 8)
        for parameters, decay in ((wide, 0.5), (plain, 0.0)):
            parameters[0].grad = zero + 1
            HyperAdam(parameters, make_theta(), lr=0.1, weight_decay=decay, base_fan_in=2).step()
        torch.testing.assert_close(plain[0] - wide[0], torch.full((1, 8), 0.1 * 0.5 * 2.0))
