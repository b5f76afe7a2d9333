"""Stopping and going on: state dicts, files, copies and pickles give the same bits as never having
stopped."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hyperadam import HyperAdam, Theta
from hyperadam.rates import KNOBS, Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from torch import nn


def make_theta(seed: int = 0, **options: Any) -> Theta:
    rule = HyperAdamRule(
        HyperAdamSpec(**{"n_candidates": 3, "normalization": "rms", "squash": "asinh", **options})
    )
    vector = rule.pack(rule.init_theta(torch.Generator().manual_seed(seed)))
    changing = Rate(
        lr=0.01, warmup_steps=3, decay_after=4, base_fan_in=4, least_fan_in=2
    )  # before a stop, and after it
    return Theta.from_vector(rule, vector, rate=changing)


def make(dtype: torch.dtype = torch.float32, **options: Any) -> tuple[nn.Module, HyperAdam]:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).to(dtype)
    groups = [
        {"params": model[0].parameters()},
        {"params": model[2].parameters(), "lr": 0.02, "weight_decay": 0.1},
    ]
    return model, HyperAdam(groups, make_theta(**options))


def train(
    model: nn.Module, optimizer: HyperAdam, steps: range, *, skip: tuple[int, ...] = ()
) -> None:
    """Random gradients that depend on the step alone; in the steps of `skip`, the first parameter
    has none."""
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for index, parameter in enumerate(model.parameters()):
            gradient = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.grad = None if index == 0 and step in skip else gradient
        optimizer.step()


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def through_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "carry", [lambda state: state, copy.deepcopy, through_file], ids=["same", "deepcopy", "file"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "skip", [(), (2,), (0, 1, 2, 3), (5,)], ids=["none", "one", "at-first", "later"]
)
def test_a_state_dict_continues_bit_for_bit(
    carry: Callable[[dict[str, Any]], dict[str, Any]], dtype: torch.dtype, skip: tuple[int, ...]
) -> None:
    whole, optimizer = make(dtype)
    train(whole, optimizer, range(8), skip=skip)

    first, optimizer = make(dtype)
    train(first, optimizer, range(4), skip=skip)
    saved = optimizer.state_dict()
    weights = copy.deepcopy(first.state_dict())
    saved = carry(saved)
    train(first, optimizer, range(4, 6))  # what was handed out does not change any more

    second, optimizer = make(dtype)
    second.load_state_dict(weights)
    train(second, optimizer, range(1))  # what was there before is forgotten
    second.load_state_dict(weights)
    optimizer.load_state_dict(saved)
    train(second, optimizer, range(4, 8), skip=skip)
    assert same(whole, second)


@pytest.mark.parametrize(
    "options", [{}, {"lstm": False}, {"lstm": False, "preprocessing": False}], ids=str
)
@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))],  # noqa: S301
    ids=["deepcopy", "pickle"],
)
def test_a_copy_of_model_and_optimizer_continues_bit_for_bit(
    copied: Any, options: dict[str, Any]
) -> None:
    whole, optimizer = make(**options)
    train(whole, optimizer, range(3), skip=(2,))
    other, others_optimizer = copied((whole, optimizer))
    train(whole, optimizer, range(3, 6))
    assert not same(whole, other)
    train(other, others_optimizer, range(3, 6))
    assert same(whole, other)
    assert others_optimizer.theta.sha256 == optimizer.theta.sha256
    assert repr(others_optimizer) == repr(optimizer)


def test_before_the_first_step_there_is_no_state() -> None:
    model, optimizer = make()
    assert optimizer.state_dict()["state"] == {}
    other, others_optimizer = make()
    train(other, others_optimizer, range(2))
    others_optimizer.load_state_dict(optimizer.state_dict())
    other.load_state_dict(model.state_dict())
    train(model, optimizer, range(3))
    train(other, others_optimizer, range(3))
    assert same(model, other)


def test_state_is_per_parameter_in_its_shape() -> None:
    model, optimizer = make()
    train(model, optimizer, range(2))
    state = optimizer.state_dict()["state"]
    assert list(state) == [0, 1, 2, 3]
    for index, parameter in enumerate(model.parameters()):
        assert set(state[index]) == {"hidden", "cell", "m", "v", "beta_hat", "gamma_hat"}
        assert {tuple(x.shape) for x in state[index].values()} == {(3, *parameter.shape)}


def test_parameters_may_be_grouped_otherwise_as_long_as_their_order_stays() -> None:
    whole, optimizer = make()
    for group in optimizer.param_groups:
        group.update(lr=0.01, weight_decay=0.0)
    train(whole, optimizer, range(3))
    saved = optimizer.state_dict()
    regrouped = copy.deepcopy(whole)
    merged = HyperAdam(regrouped.parameters(), make_theta())
    saved["param_groups"] = [{**saved["param_groups"][0], "params": [0, 1, 2, 3]}]
    merged.load_state_dict(saved)
    train(whole, optimizer, range(3, 5))
    train(regrouped, merged, range(3, 5))
    assert same(whole, regrouped)


def test_a_state_dict_from_before_schedules_has_none() -> None:
    """It was made without, so what is loaded from it does not begin one in the middle."""
    model, optimizer = make()
    train(model, optimizer, range(2))
    saved = optimizer.state_dict()
    for group in saved["param_groups"]:
        for name in (*KNOBS, "n_steps"):
            del group[name]
    optimizer.load_state_dict(saved)
    for group in optimizer.param_groups:
        assert [group[name] for name in (*KNOBS, "n_steps")] == [0] * len((*KNOBS, "n_steps"))
    train(model, optimizer, range(2, 4))


class TestRefusals:
    """A state dict that does not belong here is refused, and the optimizer goes on as if nothing
    had been asked."""

    def refused(self, change: Callable[[dict[str, Any]], object], match: str) -> None:
        model, optimizer = make()
        train(model, optimizer, range(2))
        untouched, theirs = copy.deepcopy((model, optimizer))
        state = copy.deepcopy(optimizer.state_dict())
        state["param_groups"][0]["lr"] = 7.0
        change(state)
        with pytest.raises(ValueError, match=match):
            optimizer.load_state_dict(state)
        assert optimizer.param_groups[0]["lr"] == 0.01
        train(model, optimizer, range(2, 4))
        train(untouched, theirs, range(2, 4))
        assert same(model, untouched)

    def test_another_theta(self) -> None:
        other = make(seed=1)[1].state_dict()["theta_sha256"]
        self.refused(
            lambda state: state.update(theta_sha256=other),
            f"theta_sha256 of the state dict is {other}",
        )

    def test_another_theta_in_a_group(self) -> None:
        other = make(seed=1)[1].state_dict()["theta_sha256"]
        self.refused(
            lambda state: state["param_groups"][1].update(theta_sha256=other),
            f"theta_sha256 of the state dict is {other}",
        )

    def test_another_optimizer(self) -> None:
        def remove_digests(state: dict[str, Any]) -> None:
            for place in (state, *state["param_groups"]):
                del place["theta_sha256"]

        self.refused(remove_digests, "no theta_sha256: it is not from a learned optimizer")

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_numbers_that_are_not_finite(self, value: float) -> None:
        self.refused(
            lambda state: state["state"][1]["m"].fill_(value),
            "state m of parameter 1 has values that are not finite",
        )

    def test_numbers_below_0_where_no_step_leaves_them(self) -> None:
        self.refused(
            lambda state: state["state"][1]["v"].fill_(-1.0),
            "state v of parameter 1 has values below 0",
        )

    def test_what_is_no_tensor_of_real_numbers(self) -> None:
        self.refused(
            lambda state: state["state"][1].update(v=[0.0]),
            "state v of parameter 1 must be a tensor of real numbers, got list",
        )

    @pytest.mark.parametrize(
        ("field", "value"), [("lr", float("nan")), ("weight_decay", -1.0), ("n_steps", -3)]
    )
    def test_a_rate_that_no_group_has(self, field: str, value: float) -> None:
        self.refused(
            lambda state: state["param_groups"][1].update({field: value}),
            f"group 1 of the state dict: {field} must be",
        )

    def test_a_missing_field(self) -> None:
        self.refused(lambda state: state["state"][1].pop("m"), "state of parameter 1 has fields")

    def test_another_shape(self) -> None:
        self.refused(
            lambda state: state["state"][2].update(v=torch.zeros(3, 7)),
            r"state v of parameter 2 has shape \(3, 7\), not \(3, 2, 5\)",
        )

    def test_other_groups(self) -> None:
        self.refused(
            lambda state: state["param_groups"].pop(), "different number of parameter groups"
        )
        self.refused(
            lambda state: state["param_groups"][1]["params"].pop(), "doesn't match the size"
        )


def test_load_hooks_see_what_is_loaded() -> None:
    model, optimizer = make()
    train(model, optimizer, range(2))
    saved = optimizer.state_dict()
    seen = []
    other, others_optimizer = make()

    def before(_: Any, state: dict[str, Any]) -> None:
        seen.append(sorted(state["state"]))

    others_optimizer.register_load_state_dict_pre_hook(before)
    others_optimizer.register_load_state_dict_post_hook(lambda o: seen.append(len(o.state)))
    others_optimizer.load_state_dict(saved)
    assert seen == [[0, 1, 2, 3], 4]
    other.load_state_dict(model.state_dict())
    train(other, others_optimizer, range(2, 4))
    train(model, optimizer, range(2, 4))
    assert same(model, other)
