"""Which rows an evaluation has: baselines take schedule and decay from the Θ that they stand
beside."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hyperadam.rates import Rate

from meta_trainer.evaluation.baselines import HandDesigned
from meta_trainer.evaluation.contestants import resolve_baselines
from meta_trainer.specs.baselines import BASELINES, FIELD_BASELINES, FULL_BASELINES
from meta_trainer.specs.suites import ALL, SUITES

CONSTANT = Rate(lr=0.005)
SCHEDULED = Rate(
    lr=0.01,
    warmup_steps=20,
    decay_after=50,
    base_fan_in=392,
    least_fan_in=3,
    base_places=2,
    weight_decay=0.08,
)


def test_a_scheduled_baseline_has_all_of_the_rate_but_alpha_and_adam_no_decay() -> None:
    resolved = resolve_baselines(["adam-scheduled", "nadam-scheduled"], {"a@1": SCHEDULED})
    of_theta = replace(SCHEDULED, lr=1.0)
    assert resolved["adam-scheduled"].schedule == replace(of_theta, weight_decay=0.0)
    assert resolved["nadam-scheduled"].schedule == of_theta


def test_each_schedule_of_several_thetas_has_a_row() -> None:
    slower = replace(SCHEDULED, warmup_steps=40)
    same_but_alpha = replace(SCHEDULED, lr=0.3)
    rates = {"a@1": SCHEDULED, "b@1": same_but_alpha, "c@1": slower}
    resolved = resolve_baselines(["adam", "adam-scheduled"], rates)
    assert list(resolved) == ["adam", "adam-scheduled (a@1)", "adam-scheduled (c@1)"]
    assert resolved["adam-scheduled (c@1)"].schedule.warmup_steps == 40


def test_a_theta_without_a_schedule_has_none_that_is_the_constant_one_again() -> None:
    rates = {"a@1": CONSTANT, "b@1": SCHEDULED}
    assert list(resolve_baselines(["adam-scheduled", "adam"], rates)) == ["adam-scheduled", "adam"]
    assert list(resolve_baselines(["adam-scheduled", "adam"], {"a@1": CONSTANT})) == ["adam"]
    assert list(resolve_baselines(["adam-scheduled"], {"a@1": CONSTANT})) == ["adam-scheduled"]


def test_without_a_decay_adamw_with_the_schedule_is_adam_with_it() -> None:
    rates = {"a@1": replace(SCHEDULED, weight_decay=0.0)}
    names = ["adam-scheduled", "adamw-scheduled"]
    assert list(resolve_baselines(names, rates)) == ["adam-scheduled"]
    assert list(resolve_baselines(names, {"a@1": SCHEDULED})) == names


@pytest.mark.parametrize("n_steps", [1, 7])
def test_the_decay_is_that_of_adamw(n_steps: int) -> None:
    rate = Rate(lr=1.0, weight_decay=0.3)
    learning_rates = (0.1, 0.02)
    optimizer = HandDesigned(BASELINES["adamw-scheduled"].beside(rate), learning_rates)
    start = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    w = start
    state = optimizer.init(w)
    for _ in range(n_steps):
        w, state = optimizer.step(w, torch.sin(w), state)

    for row, first, lr in zip(w, start, learning_rates, strict=True):
        parameter = torch.nn.Parameter(first.clone())
        adamw = torch.optim.AdamW([parameter], lr=lr, weight_decay=0.3)
        for _ in range(n_steps):
            parameter.grad = torch.sin(parameter.detach())
            adamw.step()
        torch.testing.assert_close(row, parameter.detach(), rtol=1e-6, atol=1e-7)


def test_all_weights_decay_alike_whatever_their_share() -> None:
    """As those of Θ do: w ← (1 − α_t λ) w − α_t share d."""
    rate = Rate(lr=1.0, base_fan_in=1, weight_decay=0.5)
    optimizer = HandDesigned(BASELINES["adamw-scheduled"].beside(rate), [0.1])
    w = torch.ones(1, 4)
    moved, _ = optimizer.step(w, torch.zeros(1, 4), optimizer.init(w, [(1, 4)]))
    torch.testing.assert_close(moved, torch.full((1, 4), 0.95))


def test_every_suite_of_losses_has_all_baselines_at_full_size() -> None:
    for suite in SUITES.values():
        if suite.measure == "final loss" and suite is not ALL:
            expected = FIELD_BASELINES if suite.name == "field" else FULL_BASELINES
            assert (suite.size.baselines, suite.size.n_tuning_starts) == (expected, 8)
            assert suite.quick.baselines == ("adam",)
    assert {*FULL_BASELINES, *FIELD_BASELINES} <= set(BASELINES)


def test_figure_8_has_its_own_learners() -> None:
    hidden = {
        name: [learner.hidden for learner in SUITES[name].learners.values()]
        for name in ("ablation-state", "ablation-tricks", "ablation-j")
    }
    assert hidden == {
        "ablation-state": [(20,) * 3],
        "ablation-tricks": [(20,) * 3],
        "ablation-j": [(20,) * 4],
    }
