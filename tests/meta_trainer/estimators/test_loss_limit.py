"""Losses count up to the first that is beyond the limit: learners whose steps are too long have a
say, and it is not the chaos that follows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from meta_trainer.estimators import Objective, PeriodResult, differentiate_learners
from meta_trainer.learners import LossExpansion, Shapes
from meta_trainer.specs import MetaTrainingSpec, Score
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import begin_episode
from tests.meta_trainer.estimators.small_periods import (
    N_STEPS,
    RULES,
    SmallPeriod,
    make_optimizee,
)

LIMIT = 4.0


class Rising(Optimizee):
    """Losses of another optimizee; the first learner's are so many times as large from some step
    on."""

    def __init__(self, inner: Optimizee, step: int, factor: float) -> None:
        self._inner = inner
        self._step = step
        self._factor = factor

    def _raise(self, values: Tensor, step: int) -> Tensor:
        if step < self._step:
            return values
        return torch.cat([values[:1] * self._factor, values[1:]])

    def start(self) -> Tensor:
        return self._inner.start()

    @property
    def shapes(self) -> Shapes | None:
        return self._inner.shapes

    def losses(self, w: Tensor, step: int) -> Tensor:
        return self._raise(self._inner.losses(w, step), step)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        losses, gradients = self._inner.losses_and_gradients(w, step)
        return self._raise(losses, step), self._raise(gradients, step)

    def expand_losses(self, w: Tensor, step: int) -> LossExpansion:
        inner = self._inner.expand_losses(w, step)
        return LossExpansion(
            self._raise(inner.losses, step),
            self._raise(inner.gradients, step),
            lambda vectors: self._raise(inner.multiply(vectors), step),
        )


def differentiate(
    optimizee: Optimizee, objective: Objective, loss_limit: float | None
) -> PeriodResult:
    period = SmallPeriod(rule=RULES["hyperadam-tensor"], optimizee=optimizee, objective=objective)
    state = begin_episode(period.rule, optimizee)
    options: dict[str, Any] = {"n_steps": N_STEPS, "rate": period.rate, "order": 2}
    return differentiate_learners(*period.arguments(state), **options, loss_limit=loss_limit)


@pytest.mark.parametrize(("score", "n_counted"), [("next", 2), ("pre", 3), ("post-same", 3)])
def test_losses_count_up_to_the_first_beyond_the_limit(score: Score, n_counted: int) -> None:
    """Step 2's minibatch is the second that is scored next, and the third otherwise."""
    rising = Rising(make_optimizee(), step=2, factor=10.0)
    weights = (torch.arange(N_STEPS) < n_counted).double()
    cut = differentiate(rising, Objective(score=score, weights=weights), None)
    whole = differentiate(rising, Objective(score=score), None)

    limited = differentiate(rising, Objective(score=score), LIMIT)
    assert not torch.allclose(cut.gradient[0], whole.gradient[0])
    torch.testing.assert_close(limited.gradient[0], cut.gradient[0])
    torch.testing.assert_close(limited.gradient[1], whole.gradient[1])
    assert torch.equal(limited.losses, whole.losses)


def test_a_learner_that_diverges_counts_until_then() -> None:
    """It adds nothing without a limit."""
    broken = Rising(make_optimizee(), step=2, factor=torch.inf)
    weights = torch.tensor([1.0, 0.0, 0.0, 0.0])
    sound = differentiate(make_optimizee(), Objective(weights=weights), None)
    assert torch.equal(
        differentiate(broken, Objective(), None).gradient[0], torch.zeros_like(sound.gradient[0])
    )

    limited = differentiate(broken, Objective(), LIMIT)
    assert limited.gradient[0].abs().max() > 0
    torch.testing.assert_close(limited.gradient[0], sound.gradient[0])
    assert limited.losses.isfinite().all(0).tolist() == [False, True]


def test_a_limit_that_no_loss_reaches_changes_nothing() -> None:
    unlimited = differentiate(make_optimizee(), Objective(meta_loss="log"), None)
    limited = differentiate(make_optimizee(), Objective(meta_loss="log"), 1e6)
    assert torch.equal(limited.gradient, unlimited.gradient)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        ({"kind": "tbptt", "loss_limit": 2.0}, "null where order is 1"),
        ({"kind": "tbptt", "order": 2, "loss_limit": 1.0}, "greater than 1"),
        ({"kind": "tbptt", "adjoint_limit": 1.0}, "null where order is 1"),
        ({"kind": "tbptt", "order": 2, "adjoint_limit": 0.0}, "greater than 0"),
    ],
)
def test_a_limit_that_says_nothing_is_refused(estimator: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MetaTrainingSpec.model_validate({"unroll": {"period": None}, "estimator": estimator})
