"""One pass over the coordinates is a step of the rule whose cells are a tensor's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam.kernels import ReferenceStepper, open_stepper
from hyperadam.kernels.cpu_tensor import FusedTensorStepper
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec
from kernel_cases import SPARSE_ABOVE, drop_some
from torch import Tensor

pytestmark = pytest.mark.usefixtures("needs_compiler")

SHAPES = [(3, 4), (4,), (), (2, 1, 3), (0, 3), (50, 61), (7, 2, 3, 3)]
"""Shorter than a vector of the processor, of several chunks, and empty."""
LENGTHS = [torch.Size(shape).numel() for shape in SHAPES]
P = sum(LENGTHS)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def make_rule(n_candidates: int = 4, **options: Any) -> HyperAdamTensorRule:
    return HyperAdamTensorRule(HyperAdamTensorSpec(n_candidates=n_candidates, **options))


def draw_theta(rule: HyperAdamTensorRule, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    start = rule.pack(rule.init_theta(generator))
    return (start + 0.1 * torch.randn(len(start), generator=generator)).to(dtype)


def draw(*shape: int, dtype: torch.dtype, seed: int = 1) -> Tensor:
    """Numbers of very different sizes; every seventh is 0."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.logspace(-4, 2, shape[-1]) * torch.randn(shape, generator=generator)
    numbers[..., ::7] = 0.0
    return numbers.to(dtype)


def check_close(state: Any, expected: Any, tolerance: float) -> None:
    for name, field in state._asdict().items():
        torch.testing.assert_close(
            field.double(), getattr(expected, name), rtol=tolerance, atol=tolerance, msg=name
        )


@pytest.mark.slow
@DTYPES
@pytest.mark.parametrize("n_candidates", [1, 4, 16])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize(
    "options", [{}, {"sees_network": True}, {"sparse_above": SPARSE_ABOVE}], ids=str
)
def test_steps_are_those_of_the_plain_rule(
    options: dict[str, Any], batch: tuple[int, ...], n_candidates: int, dtype: torch.dtype
) -> None:
    """Of the plain rule in float64, whose own rounding in float32 is several times as large."""
    rule = make_rule(n_candidates, **options)
    theta = draw_theta(rule, torch.float64)
    fused = open_stepper(rule, theta.to(dtype))
    plain = ReferenceStepper(rule, theta)
    assert isinstance(fused, FusedTensorStepper)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    start = draw(*batch, P, dtype=torch.float32)
    state = rule.init_state(start.to(dtype), SHAPES)
    expected_state = rule.init_state(start.double(), SHAPES)
    for step in range(6):
        gradient = draw(*batch, P, dtype=torch.float32, seed=step)
        drop_some(gradient, LENGTHS, step)
        direction, state = fused.step(gradient.to(dtype), state)
        expected, expected_state = plain.step(gradient.double(), expected_state)
        result = direction.double()
        torch.testing.assert_close(result, expected, rtol=tolerance, atol=tolerance / 10)
    check_close(state, expected_state, tolerance)


@DTYPES
def test_writes_to_where_it_is_told_and_to_nothing_else(dtype: torch.dtype) -> None:
    rule = make_rule()
    stepper = open_stepper(rule, draw_theta(rule, dtype))
    gradient = draw(2, P, dtype=dtype)
    _, state = stepper.step(gradient, rule.init_state(draw(2, P, dtype=dtype), SHAPES))
    before = [field.clone() for field in (gradient, *state)]
    expected, expected_state = stepper.step(gradient, state)
    assert all(map(torch.equal, before, (gradient, *state)))

    buffer = gradient.clone()
    direction, after = stepper.step(buffer, state, out_state=state, out=buffer)
    assert direction is buffer
    assert after is state
    assert torch.equal(buffer, expected)
    assert all(map(torch.equal, state, expected_state))


def test_moments_in_bfloat16_are_those_of_the_plain_rule() -> None:
    rule = make_rule()
    theta = draw_theta(rule, torch.float32)
    steppers = [open_stepper(rule, theta), ReferenceStepper(rule, theta)]
    start = draw(P, dtype=torch.float32)
    states = [rule.cast_state(rule.init_state(start, SHAPES), torch.bfloat16) for _ in steppers]
    for step in range(4):
        gradient = draw(P, dtype=torch.float32, seed=step)
        directions = []
        for index, stepper in enumerate(steppers):
            direction, states[index] = stepper.step(
                gradient, states[index], out_state=states[index]
            )
            directions.append(direction)
        torch.testing.assert_close(directions[0], directions[1], rtol=0.02, atol=1e-4)
    assert states[0].m.dtype == torch.bfloat16
    assert states[0].means.dtype == torch.float32


def test_a_state_of_other_shapes_is_refused() -> None:
    rule = make_rule()
    stepper = open_stepper(rule, draw_theta(rule, torch.float32))
    state = rule.init_state(torch.ones(P), SHAPES)
    with pytest.raises(ValueError, match=r"state\.m must be"):
        stepper.step(torch.ones(P + 1), state)
    with pytest.raises(ValueError, match="state is of"):
        stepper.step(torch.ones(P), state._replace(length=state.length + 1))
    moved = torch.tensor([[0.0], [50.0]]) * torch.tensor([[1, -1, 0, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="state is of"):
        stepper.step(torch.ones(P), state._replace(length=state.length + moved))
    with pytest.raises(ValueError, match="gradient must be"):
        stepper.step(torch.ones(P, dtype=torch.float64), state)
    with pytest.raises(ValueError, match="out must be"):
        stepper.step(torch.ones(P), state, out=torch.ones(P + 1))


def test_kernels_that_are_off_leave_the_plain_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERADAM_KERNEL", "off")
    rule = make_rule()
    assert isinstance(open_stepper(rule, draw_theta(rule, torch.float32)), ReferenceStepper)
