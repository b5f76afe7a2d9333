"""A job's estimator spec reaches the estimator that it names."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from meta_trainer.estimators import (
    Objective,
    Period,
    differentiate_learners,
    differentiate_period,
    estimate_gradient,
)
from meta_trainer.specs import TBPTTSpec
from tests.meta_trainer.estimators.small_periods import (
    N_LEARNERS,
    N_STEPS,
    RULES,
    SmallPeriod,
    make_optimizee,
)


def make_period(small: SmallPeriod, *, by_learner: bool) -> Period:
    return Period(
        rule=small.rule,
        theta=small.theta,
        optimizee=small.optimizee,
        objective=small.objective,
        rate=small.rate,
        n_steps=N_STEPS,
        horizon=10 * N_STEPS,
        seed=0,
        episode=0,
        learners=range(N_LEARNERS),
        by_learner=by_learner,
    )


@pytest.mark.parametrize("by_learner", [False, True], ids=["sum", "by-learner"])
@pytest.mark.parametrize("order", [1, 2])
def test_the_order_of_a_spec_is_that_of_the_derivative(
    order: Literal[1, 2], by_learner: bool
) -> None:
    small = SmallPeriod(
        rule=RULES["recommended"], optimizee=make_optimizee(), objective=Objective()
    )
    state = small.start()
    period = make_period(small, by_learner=by_learner)
    estimate = estimate_gradient(TBPTTSpec(order=order), period, state)
    assert [tuple(slopes.shape) for slopes in estimate.slopes] == [(N_LEARNERS, 0)]

    options = {"n_steps": N_STEPS, "rate": small.rate}
    rows = differentiate_learners(*small.arguments(state), **options, order=order).gradient
    expected = rows if by_learner else rows.sum(0)
    torch.testing.assert_close(estimate.gradient, expected)
    first_order = differentiate_period(*small.arguments(state), **options).gradient
    assert torch.allclose(rows.sum(0), first_order) == (order == 1)
