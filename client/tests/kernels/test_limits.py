"""Rules that limit their directions, on fused kernels: the plain rule's directions and derivatives,
also in place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam.kernels import ReferenceStepper, open_stepper
from kernel_cases import RMS, Case, check_close, distance, run
from torch import Tensor

pytestmark = pytest.mark.usefixtures("needs_compiler")

BOUND = 0.6
"""Some directions of the cases that have it would be longer, most are not."""
CASES = [
    Case(20, (37,), RMS | {"skip_zero_gradients": True}),
    Case(20, (2, 150), {"skip_zero_gradients": True}),
    Case(20, (3, 64), RMS | {"skip_zero_gradients": True}, n_steps=7, n_periods=3),
    Case(
        20,
        (3, 64),
        RMS | {"skip_zero_gradients": True, "direction_bound": BOUND},
        n_steps=7,
        n_periods=3,
    ),
    Case(20, (2, 150), RMS | {"direction_bound": BOUND}),
]


def with_zeros(case: Case) -> Tensor:
    """The gradients of a case, four in ten of them 0."""
    gradients = case.draw(1)
    awake = torch.rand(gradients.shape, generator=torch.Generator().manual_seed(7)) > 0.4
    return gradients * awake


def check_limits(case: Case, directions: Tensor, gradients: Tensor) -> None:
    """What the case's rule limits is limited, and nothing else is."""
    spec = case.rule.spec
    if spec.skip_zero_gradients:
        assert torch.equal(directions == 0, gradients == 0)
    if spec.direction_bound:
        assert directions.abs().max() == spec.direction_bound
        assert 0 < (directions.abs() == spec.direction_bound).double().mean() < 0.5


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_tape_is_the_plain_one(case: Case) -> None:
    gradients = with_zeros(case)
    fused = run(case, dtype=torch.float64, gradients=gradients)
    plain = run(case, dtype=torch.float64, gradients=gradients, plain=True)
    check_limits(case, fused.directions, gradients.flatten(0, 1))
    assert distance(fused.directions, plain.directions) < 1e-9
    assert distance(fused.gradients, plain.gradients) < 1e-9
    check_close(fused.states[-1], plain.states[-1], tolerance=1e-9)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_stepper_is_the_plain_one(case: Case, in_place: bool) -> None:
    theta = case.theta()
    gradients = with_zeros(case).flatten(0, 1)
    fused = open_stepper(case.rule, theta)
    plain = ReferenceStepper(case.rule, theta)
    assert not isinstance(fused, ReferenceStepper)
    states: list[Any] = [case.rule.init_state(gradients[0]) for _ in range(2)]
    directions = []
    for gradient in gradients:
        expected, states[1] = plain.step(gradient, states[1])
        memory = gradient.clone()
        targets = {"out_state": states[0], "out": memory} if in_place else {}
        direction, states[0] = fused.step(memory, states[0], **targets)
        assert distance(direction, expected) < 1e-9
        assert (direction is memory) == in_place
        directions.append(direction.clone())
    check_limits(case, torch.stack(directions), gradients)
