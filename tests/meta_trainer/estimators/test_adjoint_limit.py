"""What chaos adds to a derivative has a bound, and a derivative without chaos stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from meta_trainer.estimators import Objective, differentiate_learners
from meta_trainer.estimators.second_order import limit_norms
from meta_trainer.unrolls.episodes import begin_episode
from tests.meta_trainer.estimators.small_periods import RULES, SmallPeriod, make_optimizee


def differentiate(adjoint_limit: float | None, *, n_steps: int = 4, lr: float = 3.0) -> Tensor:
    """Shape (L, n_theta)."""
    optimizee = make_optimizee()
    period = SmallPeriod(
        rule=RULES["hyperadam-tensor"], optimizee=optimizee, objective=Objective(meta_loss="log")
    )
    rule, theta, *rest = period.arguments(begin_episode(period.rule, optimizee))
    options: dict[str, Any] = {"n_steps": n_steps, "rate": replace(period.rate, lr=lr), "order": 2}
    result = differentiate_learners(rule, theta, *rest, **options, adjoint_limit=adjoint_limit)
    return result.gradient


def test_a_limit_that_no_adjoint_reaches_changes_nothing() -> None:
    assert torch.equal(differentiate(1e6), differentiate(None))


def test_where_every_adjoint_is_shortened_the_derivative_is_proportional_to_the_limit() -> None:
    short = differentiate(1e-9)
    assert short.abs().max() > 0
    torch.testing.assert_close(differentiate(2e-9), 2 * short)


def test_steps_that_are_too_long_have_a_derivative_of_usual_size() -> None:
    """Ten times the usual step, over 20 steps."""
    usual = differentiate(1.0, n_steps=20).norm(dim=1).amax()
    wild = differentiate(None, n_steps=20, lr=30.0).norm(dim=1).amax()
    limited = differentiate(1.0, n_steps=20, lr=30.0).norm(dim=1).amax()
    assert wild > 500 * usual
    assert limited < 50 * usual


def test_adjoints_are_shortened_to_their_limits_and_infinite_ones_are_nothing() -> None:
    adjoint = torch.tensor([[3.0, 4.0], [0.3, 0.4], [torch.inf, 1.0], [0.0, 0.0]])
    limited = limit_norms(adjoint, torch.tensor([1.0, 1.0, 1.0, 0.0]))
    expected = torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(limited, expected)
