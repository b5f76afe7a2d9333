"""What a job changes in the Θ that it starts from, against its equations, and where it may."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hyperadam.theta import Theta
from pydantic import ValidationError

from meta_trainer.seeds import make_generator
from meta_trainer.specs import AdjustmentSpec, MetaTrainingSpec, merge
from meta_trainer.training.adjustment import adjust_theta
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule

N_CANDIDATES = 5
RULE = HyperAdamRule(
    HyperAdamSpec(n_candidates=N_CANDIDATES, normalization="rms", norm_epsilon=0.0)
)


def ensemble(n_candidates: int = N_CANDIDATES) -> dict[str, torch.Tensor]:
    rule = HyperAdamRule(replace(RULE.spec, n_candidates=n_candidates))
    return {
        name: tensor.double()
        for name, tensor in rule.init_theta(torch.Generator().manual_seed(3)).items()
    }


def first_moment(theta: dict[str, torch.Tensor]) -> torch.Tensor:
    """β of every candidate, read off a step: m_1 = (1 − β) g, where the state says nothing, as its
    weights are 0."""
    still = theta | {"adam_cell.weight": torch.zeros_like(theta["adam_cell.weight"])}
    gradient = torch.tensor([2.0], dtype=torch.float64)
    _, state = RULE.update(still, gradient, RULE.init_state(gradient))
    return 1 - state.m[:, 0] / gradient


@pytest.mark.parametrize("memory", [-2.0, -0.4, 1.5])
def test_memory_scales_the_time_constants(memory: float) -> None:
    theta = ensemble()
    changed = adjust_theta(theta, AdjustmentSpec(memory=memory))
    tau, longer = (1 / (1 - first_moment(each)) for each in (theta, changed))
    torch.testing.assert_close(longer, 1 + (tau - 1) * math.exp(memory))
    assert torch.equal(
        changed["adam_cell.bias"][N_CANDIDATES:], theta["adam_cell.bias"][N_CANDIDATES:]
    ), "γ is as it was"


def test_tilt_gives_the_first_more_of_the_say() -> None:
    theta = ensemble() | {"weight_cell.bias": torch.full((N_CANDIDATES,), 0.2, dtype=torch.float64)}
    changed = adjust_theta(theta, AdjustmentSpec(tilt=-1.0))["weight_cell.bias"]
    expected = [0.2 * math.exp(x) for x in (0.5, 0.25, 0.0, -0.25, -0.5)]
    torch.testing.assert_close(changed, torch.tensor(expected, dtype=torch.float64))
    alone = ensemble(1) | {"weight_cell.bias": torch.ones(1)}
    assert torch.equal(
        adjust_theta(alone, AdjustmentSpec(tilt=-1.0))["weight_cell.bias"], torch.ones(1)
    )


def test_without_a_response_the_mixture_is_fixed() -> None:
    theta = adjust_theta(ensemble(), AdjustmentSpec(response=0.0))
    gradient = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    direction, state = RULE.update(theta, gradient, RULE.init_state(gradient))
    moments = state.m / state.beta_hat * torch.rsqrt(state.v / state.gamma_hat)
    torch.testing.assert_close(
        direction,
        torch.einsum("j,jp->p", torch.nn.functional.elu(theta["weight_cell.bias"]), moments),
    )
    doubled = adjust_theta(ensemble(), AdjustmentSpec(response=2.0))["weight_cell.weight"]
    assert torch.equal(doubled, 2 * ensemble()["weight_cell.weight"])


def test_defaults_change_no_bit_and_nothing_is_changed_in_place(
    tiny_spec: MetaTrainingSpec,
) -> None:
    theta = ensemble()
    before = ensemble()
    adjust_theta(theta, AdjustmentSpec(memory=1.0, tilt=1.0, response=3.0))
    assert all(torch.equal(theta[name], before[name]) for name in before)
    same = adjust_theta(theta, AdjustmentSpec())
    assert all(same[name] is theta[name] for name in theta)
    fields = tiny_spec.model_dump(mode="json") | {"adjustment": {}}
    explicit_spec = MetaTrainingSpec.model_validate(fields)
    assert torch.equal(make_initial_theta(explicit_spec), make_initial_theta(tiny_spec))


@pytest.mark.parametrize("kept", [0.0, 0.25])
def test_a_part_of_a_trained_length_is_kept(kept: float) -> None:
    fields = {"rule": {"kind": "hyperadam-tensor"}, "parent": "older@1"}
    adjustment = {"length": 2.0, "length_kept": kept}
    spec = MetaTrainingSpec.model_validate({**fields, "adjustment": adjustment})
    rule = make_rule(spec.rule)
    untrained = rule.init_theta(make_generator(spec.seed, "theta"), spec.init)
    trained = {name: tensor.float() + 1 for name, tensor in untrained.items()}
    theta = rule.unpack(make_initial_theta(spec, Theta(rule, trained, Rate(lr=1.0))))

    for name, tensor in trained.items():
        expected = tensor
        if name.startswith("length."):
            expected = untrained[name].float() + kept
        if name == rule.log_length:
            expected = expected + math.log(2)
        torch.testing.assert_close(theta[name], expected)


@pytest.mark.parametrize("kind", ["rnnprop", "dm"])
def test_other_rules_start_as_they_did(kind: str) -> None:
    spec = MetaTrainingSpec.model_validate({"rule": {"kind": kind}})
    rule = make_rule(spec.rule)
    drawn = rule.init_theta(make_generator(spec.seed, "theta"), spec.init)
    assert torch.equal(make_initial_theta(spec), rule.pack(drawn).float())


@pytest.mark.parametrize("parent", [False, True])
def test_a_job_starts_at_what_was_adjusted(tiny_spec: MetaTrainingSpec, parent: bool) -> None:
    adjustment = {"memory": -0.4, "tilt": -1.0, "response": 1.5}
    fields: dict[str, Any] = {"adjustment": adjustment, "parent": "older@1" if parent else None}
    spec = MetaTrainingSpec.model_validate(merge(tiny_spec.model_dump(mode="json"), fields))
    rule = make_rule(spec.rule)
    plain = MetaTrainingSpec.model_validate(
        spec.model_dump(mode="json") | {"adjustment": {}, "parent": None}
    )
    start = rule.unpack(make_initial_theta(plain))
    theta = Theta(rule, start, Rate(lr=0.01)) if parent else None
    expected = rule.pack(adjust_theta(start, AdjustmentSpec(**adjustment)))
    torch.testing.assert_close(make_initial_theta(spec, theta), expected)
    assert not torch.equal(expected, rule.pack(start))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"rule": {"kind": "rnnprop"}, "adjustment": {"tilt": 1}},
            "memory, tilt and response of adjustment are for rule 'hyperadam', got them for 'rnn",
        ),
        (
            {"adjustment": {"length": 2}},
            "length and length_kept of adjustment are for rule 'hyperadam-tensor'",
        ),
        (
            {"rule": {"kind": "hyperadam-tensor"}, "adjustment": {"length_kept": 0.5, "tilt": 1}},
            "memory, tilt and response of adjustment are for rule 'hyperadam'",
        ),
        (
            {"adjustment": {"memory": 1}, "continue_from": {"job": "job_1", "checkpoint": "best"}},
            "adjustment must not be given where continue_from is",
        ),
        ({"adjustment": {"memory": 11}}, "adjustment.memory"),
        ({"adjustment": {"response": -1}}, "adjustment.response"),
        ({"adjustment": {"length": 0}}, "adjustment.length"),
        ({"adjustment": {"length_kept": 1.1}}, "adjustment.length_kept"),
        ({"adjustment": {"bogus": 1}}, "adjustment.bogus"),
    ],
)
def test_what_cannot_be_adjusted_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MetaTrainingSpec.model_validate(fields)
