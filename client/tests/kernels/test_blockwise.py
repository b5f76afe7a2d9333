"""Steps block by block are those of all coordinates at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam.kernels import ReferenceStepper, open_stepper
from hyperadam.kernels.blockwise import BLOCK_ON_CPU, BlockwiseStepper
from hyperadam.rules import DMRule, HyperAdamRule, HyperAdamTensorRule, RNNpropRule, Rule

RULES: list[Rule[Any]] = [RNNpropRule(), DMRule()]
N_COORDINATES = BLOCK_ON_CPU + 3


@pytest.mark.parametrize("state_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_blocks_are_the_whole(rule: Rule[Any], in_place: bool, state_dtype: torch.dtype) -> None:
    theta = 0.5 * torch.randn(rule.n_theta)
    ends = []
    for kind in (ReferenceStepper, BlockwiseStepper):
        torch.manual_seed(0)
        stepper = kind(rule, theta)
        fresh = rule.init_state(torch.zeros(N_COORDINATES))
        state = rule.cast_state(fresh, state_dtype)
        for _ in range(2):
            gradient = torch.randn(N_COORDINATES)
            places = {"out_state": state, "out": gradient} if in_place else {}
            direction, state = stepper.step(gradient, state, **places)
        ends.append([direction, *state])
    tolerance = 1e-5 if state_dtype == torch.float32 else 1e-2
    for whole, blocks in zip(*ends, strict=True):
        torch.testing.assert_close(blocks, whole, rtol=tolerance, atol=tolerance)


def test_a_block_takes_memory_for_itself_alone() -> None:
    rule = RNNpropRule()
    stepper = open_stepper(rule, torch.randn(rule.n_theta))
    gradient = torch.randn(3 * BLOCK_ON_CPU)
    state = rule.init_state(gradient)
    with torch.profiler.profile(profile_memory=True) as profile:
        stepper.step(gradient, state, out_state=state, out=gradient)
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert largest < 2 * 4 * 80 * BLOCK_ON_CPU


def test_rules_that_join_coordinates_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERADAM_KERNEL", "off")
    for rule in (HyperAdamRule(), HyperAdamTensorRule()):
        assert not rule.is_pointwise
        assert isinstance(open_stepper(rule, torch.zeros(rule.n_theta)), ReferenceStepper)
