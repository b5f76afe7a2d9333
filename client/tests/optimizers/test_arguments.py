"""What `hyperadam.HyperAdam` takes and what it refuses: dtypes, options, Θ."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import Any

import pytest
import torch
from hyperadam import HyperAdam, Theta
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule
from small_run import make_parameters, make_theta, set_gradients
from torch import nn

WHOLE_KNOBS = [knob.name for knob in fields(Rate) if isinstance(knob.default, int)]


class TestDtypes:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
    def test_all_real_ones_train(self, dtype: torch.dtype) -> None:
        weight = nn.Parameter(torch.ones(4, dtype=dtype))
        optimizer = HyperAdam([weight], make_theta())
        for _ in range(50):
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
        assert weight.dtype == dtype
        assert weight.detach().abs().max() < 0.7
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        assert {x.dtype for x in optimizer.state[weight].values()} == {wide}

    def test_any_float64_parameter_makes_everything_float64(self) -> None:
        parameters = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=torch.float64))]
        optimizer = HyperAdam(parameters, make_theta())
        set_gradients(parameters, 0)
        optimizer.step()
        assert [parameter.dtype for parameter in parameters] == [torch.float32, torch.float64]
        assert {x.dtype for fields in optimizer.state.values() for x in fields.values()} == {
            torch.float64
        }

    def test_float64_computes_in_float64(self) -> None:
        theta = make_theta()
        weight = nn.Parameter(torch.zeros(5, dtype=torch.float64))
        weight.grad = torch.randn(5, dtype=torch.float64)
        HyperAdam([weight], theta, lr=1.0).step()
        tensors = {name: x.double() for name, x in theta.tensors.items()}
        direction, _ = theta.rule.update(tensors, weight.grad, theta.rule.init_state(weight.grad))
        torch.testing.assert_close(weight.detach(), -direction, rtol=1e-12, atol=0)

    def test_complex_ones_of_half_precision_are_refused(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            weight = nn.Parameter(torch.zeros(2, dtype=torch.complex32))
        with pytest.raises(
            TypeError, match=r"HyperAdam cannot optimize a parameter of dtype torch\.complex32"
        ):
            HyperAdam([weight], make_theta())

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
    def test_others_are_refused_when_they_should_move(self, dtype: torch.dtype) -> None:
        weight = torch.zeros(2, dtype=dtype)
        optimizer = HyperAdam([weight], make_theta())
        optimizer.step()
        weight.grad = torch.zeros(2, dtype=dtype)
        with pytest.raises(
            TypeError, match=f"HyperAdam cannot optimize a parameter of dtype {dtype}"
        ):
            optimizer.step()


class TestArguments:
    @pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", torch.ones(2)])
    @pytest.mark.parametrize("field", ["lr", "rest", "warmup_share", "weight_decay"])
    def test_out_of_range_is_refused_by_name(self, field: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f"{field} must be a (finite )?number"):
            HyperAdam(make_parameters(), make_theta(), **{field: value})
        with pytest.raises(ValueError, match=f"{field} must be a (finite )?number"):
            HyperAdam([{"params": make_parameters(), field: value}], make_theta())

    @pytest.mark.parametrize("value", [-1, 2.0, "5", True, 10**12])
    @pytest.mark.parametrize("field", [*WHOLE_KNOBS, "total_steps"])
    def test_what_is_no_schedule_is_refused_by_name(self, field: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f"{field} must be a whole number from 0 to"):
            HyperAdam(make_parameters(), make_theta(), **{field: value})
        with pytest.raises(ValueError, match=f"{field} must be a whole number from 0 to"):
            HyperAdam([{"params": make_parameters(), field: value}], make_theta())

    def test_no_parameters(self) -> None:
        with pytest.raises(ValueError, match="empty parameter list"):
            HyperAdam([], make_theta())

    def test_several_devices(self) -> None:
        parameters = [nn.Parameter(torch.zeros(2, device=device)) for device in ("cpu", "meta")]
        with pytest.raises(ValueError, match="parameters must be on one device, got cpu, meta"):
            HyperAdam(parameters, make_theta())

    def test_theta_of_another_type(self) -> None:
        with pytest.raises(
            TypeError, match=r"theta must be a hyperadam.Theta, got str; see hyperadam.Theta.load"
        ):
            HyperAdam(make_parameters(), "theta.safetensors")  # type: ignore[arg-type]

    def test_theta_of_another_kind(self) -> None:
        class Other(HyperAdamRule):
            kind = "rnnprop"

        theta = make_theta()
        with pytest.raises(
            ValueError, match="theta is of kind 'rnnprop'; HyperAdam runs hyperadam"
        ):
            HyperAdam(make_parameters(), Theta(Other(theta.rule.spec), theta.tensors, Rate(lr=0.1)))

    def test_a_refused_group_is_not_added(self) -> None:
        optimizer = HyperAdam(make_parameters(), make_theta())
        with pytest.raises(ValueError, match="lr"):
            optimizer.add_param_group({"params": make_parameters(), "lr": -1})
        assert len(optimizer.param_groups) == 1
