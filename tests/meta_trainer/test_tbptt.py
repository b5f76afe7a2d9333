"""The surrogate's meta-gradient is that of the naive differentiable unroll, and that of finite
differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.rules import (
    DMRule,
    DMSpec,
    HyperAdamRule,
    HyperAdamSpec,
    RNNpropRule,
    RNNpropSpec,
    Rule,
)
from torch import Tensor

from meta_trainer.datasets import load
from meta_trainer.estimators import Objective, Period, estimate_gradient
from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaLoss, MetaTrainingSpec, Score, TBPTTSpec
from meta_trainer.tasks import build_training_optimizee
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState, begin_episode
from tests.meta_trainer.differentiating import differentiate

SPEC = MetaTrainingSpec.model_validate(
    {
        "task": {"hidden": [3], "batch_size": 4, "activations": ["tanh"]},
        "n_learners": 2,
        "tricks": {"convex_dimension": 3},
    }
)
RULE = HyperAdamRule(
    HyperAdamSpec(n_candidates=3, normalization="rms", norm_epsilon=0.0, squash="asinh")
)
RULES: list[Rule[Any]] = [RULE, RNNpropRule(RNNpropSpec(n_hidden=3)), DMRule(DMSpec(n_hidden=3))]
LR, WARMUP_STEPS, DECAY_AFTER, BASE_FAN_IN, LEAST_FAN_IN, WEIGHT_DECAY = 0.05, 6, 7, 100, 2, 3.0
RATE = Rate(
    lr=LR,
    warmup_steps=WARMUP_STEPS,
    decay_after=DECAY_AFTER,
    base_fan_in=BASE_FAN_IN,
    least_fan_in=LEAST_FAN_IN,
    weight_decay=WEIGHT_DECAY,
)


def theta(rule: Rule[Any] = RULE) -> Tensor:
    return rule.pack(rule.init_theta(make_generator(0, "theta"), rule.inits[0]))


def optimizee() -> Optimizee:
    return build_training_optimizee(SPEC, load("mnist5k"), episode=0, chunk=0, dtype=torch.float64)


class Differentiable(Optimizee):
    """The same losses, left in the graph."""

    def __init__(self, inner: Any) -> None:
        self.scaling, self.convex, self.data = inner, inner.inner, inner.inner.inner

    def start(self) -> Tensor:
        return self.scaling.start()

    def losses(self, w: Tensor, step: int) -> Tensor:
        k = self.convex.target.shape[1]
        scaled = w * self.scaling.scale
        difference = scaled[:, -k:] - self.convex.target
        convex = difference.square().clamp(max=10).mean(1)
        return convex + self.data.learner.losses(scaled[:, :-k], *self.data.draw_minibatch(step))

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


def naive_unroll(
    rule: Rule[Any],
    theta: Tensor,
    state: EpisodeState,
    n_steps: int,
    score: Score,
    meta_loss: MetaLoss,
) -> Tensor:
    """d/dΘ of Σ over learners of their meta-loss, with the learner in the graph and gradients
    stopped; (n_theta,)."""
    problem, scored = Differentiable(optimizee()), []
    theta = theta.clone().requires_grad_()
    tensors, w, rule_state = rule.unpack(theta), state.w, state.rule_state
    share = torch.full(
        (w.shape[1],), 1 / LEAST_FAN_IN, dtype=torch.float64
    )  # biases and convex coordinates
    first, second = slice(784 * 3), slice(784 * 3 + 3, 784 * 3 + 3 + 3 * 10)  # the layers' weights
    share[first], share[second] = BASE_FAN_IN / 784, 1
    for step in range(state.step, state.step + n_steps):
        leaf = w.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(problem.losses(leaf, step).sum(), leaf)
        if score == "pre":
            scored.append(problem.losses(w, step))
        direction, rule_state = rule.update(tensors, gradient, rule_state)
        lr = LR * min(1, (step + 1) / WARMUP_STEPS) * min(1, DECAY_AFTER / (step + 1)) ** 0.5
        w = (1 - lr * WEIGHT_DECAY) * w - lr * share * direction
        if score != "pre":
            scored.append(problem.losses(w, step + 1 if score == "next" else step))
    losses = torch.stack(scored).log() if meta_loss == "log" else torch.stack(scored)
    meta_losses = losses[-1] if meta_loss == "last" else losses.mean(0)
    (result,) = torch.autograd.grad(meta_losses.sum(), theta)
    return result


@pytest.mark.parametrize("score", ["next", "pre", "post-same"])
@pytest.mark.parametrize("meta_loss", ["mean", "log", "last"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_equals_the_naive_unroll_in_every_period(
    rule: Rule[Any], score: Score, meta_loss: MetaLoss
) -> None:
    problem, state = optimizee(), begin_episode(rule, optimizee())
    for _ in range(3):
        expected = naive_unroll(rule, theta(rule), state, 4, score, meta_loss)
        result = differentiate(
            rule,
            theta(rule),
            problem,
            state,
            n_steps=4,
            rate=RATE,
            score=score,
            meta_loss=meta_loss,
        )
        assert expected.abs().max() > 1e-6
        torch.testing.assert_close(
            result.gradient, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max())
        )
        state = result.state
    assert state.step == 12


def test_weights_choose_between_steps() -> None:
    """A weight on the last step alone is the meta-loss `last`; the meta-gradient is linear in the
    weights."""
    problem, state = optimizee(), begin_episode(RULE, optimizee())

    def gradient(*weights: float, **options: Any) -> Tensor:
        given = torch.tensor(weights, dtype=torch.float64) if weights else None
        return differentiate(
            RULE, theta(), problem, state, n_steps=4, rate=RATE, weights=given, **options
        ).gradient

    torch.testing.assert_close(
        gradient(0, 0, 0, 4), gradient(meta_loss="last"), rtol=1e-10, atol=1e-14
    )
    torch.testing.assert_close(gradient(1, 1, 1, 1), gradient(), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        gradient(1, 0, 2, 0) + gradient(0, 3, 0, 1), gradient(1, 3, 2, 1), rtol=1e-9, atol=1e-14
    )


@pytest.mark.parametrize("score", ["next", "pre", "post-same"])
def test_last_scores_the_last_of_the_losses_that_mean_scores(score: Score) -> None:
    problem, state = optimizee(), begin_episode(RULE, optimizee())
    mean, last = (
        differentiate(
            RULE, theta(), problem, state, n_steps=4, rate=RATE, score=score, meta_loss=meta_loss
        )
        for meta_loss in ("mean", "last")
    )
    assert torch.equal(last.losses, mean.losses[-1:])
    assert torch.equal(last.state.w, mean.state.w)


@pytest.mark.parametrize("meta_loss", ["mean", "log", "last"])
def test_a_cut_period_is_that_of_its_halves(meta_loss: MetaLoss) -> None:
    """Nothing is differentiated across the cut; of `last`, the second half has all."""
    objective = Objective(meta_loss=meta_loss)
    period = Period(
        rule=RULE,
        theta=theta(),
        optimizee=optimizee(),
        objective=objective,
        rate=RATE,
        n_steps=6,
        horizon=12,
        seed=0,
        episode=0,
        learners=(0, 1),
    )
    half = replace(period, n_steps=3)
    cut = estimate_gradient(TBPTTSpec(truncation=3), period, None)
    first = estimate_gradient(TBPTTSpec(), half, None)
    second = estimate_gradient(TBPTTSpec(), half, first.state)
    expected = second.gradient if meta_loss == "last" else (first.gradient + second.gradient) / 2
    torch.testing.assert_close(cut.gradient, expected, rtol=1e-10, atol=1e-14)


def test_periods_continue_one_another() -> None:
    """Two periods of 3 walk exactly as one of 6."""
    problem, state = optimizee(), begin_episode(RULE, optimizee())
    whole = differentiate(RULE, theta(), problem, state, n_steps=6, rate=RATE)
    first = differentiate(RULE, theta(), problem, state, n_steps=3, rate=RATE)
    second = differentiate(RULE, theta(), problem, first.state, n_steps=3, rate=RATE)
    torch.testing.assert_close(second.state.w, whole.state.w, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        torch.cat([first.losses, second.losses]), whole.losses, rtol=1e-12, atol=0
    )


class Quadratic(Optimizee):
    """½‖w − a‖² for each learner: its gradient is not constant, but first order must treat it
    so."""

    def __init__(self, blow_up_at: int | None = None) -> None:
        self.blow_up_at = blow_up_at

    def start(self) -> Tensor:
        return torch.zeros(2, 5, dtype=torch.float64)

    def losses(self, w: Tensor, step: int) -> Tensor:
        return self.losses_and_gradients(w, step)[0]

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        target = torch.linspace(-1, 1, 10, dtype=torch.float64).view(2, 5)
        losses, gradients = 0.5 * (w - target).square().sum(1), w - target
        if self.blow_up_at is not None and step >= self.blow_up_at:
            bad = torch.tensor([float("nan"), 1.0], dtype=torch.float64)
            losses, gradients = losses * bad, gradients * bad[:, None]
        return losses, gradients


def test_one_step_gradient_equals_finite_differences() -> None:
    """With one step there is no later gradient to stop: first order is exact."""
    problem = Quadratic()
    state, vector, eps = begin_episode(RULE, problem), theta(), 1e-6

    def loss(v: Tensor) -> float:
        return float(differentiate(RULE, v, problem, state, n_steps=1, rate=RATE).losses.sum())

    gradient = differentiate(RULE, vector, problem, state, n_steps=1, rate=RATE).gradient
    for index in range(0, len(vector), 17):
        bump = torch.zeros_like(vector)
        bump[index] = eps
        slope = (loss(vector + bump) - loss(vector - bump)) / (2 * eps)
        assert slope == pytest.approx(float(gradient[index]), rel=1e-5, abs=1e-9)


def test_a_diverged_learner_is_isolated() -> None:
    """Learner 0 turns NaN; the meta-gradient is then that of learner 1 alone, and everything
    carried is finite."""
    broken = Quadratic(blow_up_at=2)
    state = begin_episode(RULE, broken)
    result = differentiate(RULE, theta(), broken, state, n_steps=4, rate=RATE)
    assert result.state.current.diverged.tolist() == [True, False]
    assert result.gradient.isfinite().all()
    assert all(part.isfinite().all() for part in (result.state.w, *result.state.rule_state))
    reference = _OnlySecond()
    expected = differentiate(
        RULE, theta(), reference, begin_episode(RULE, reference), n_steps=4, rate=RATE
    )
    torch.testing.assert_close(result.gradient, expected.gradient, rtol=1e-9, atol=1e-12)


class _OnlySecond(Quadratic):
    def start(self) -> Tensor:
        return super().start()[1:]

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        losses, gradients = super().losses_and_gradients(w.expand(2, -1), step)
        return losses[1:], gradients[1:]


def test_learning_rate_scales_the_walk() -> None:
    problem = Quadratic()
    spec = replace(RULE.spec, n_candidates=1)
    rule = HyperAdamRule(spec)
    vector = rule.pack(rule.init_theta(make_generator(0, "theta"), "adam-ensemble"))
    one = differentiate(
        rule, vector, problem, begin_episode(rule, problem), n_steps=1, rate=Rate(lr=0.01)
    ).state.w
    two = differentiate(
        rule, vector, problem, begin_episode(rule, problem), n_steps=1, rate=Rate(lr=0.02)
    ).state.w
    torch.testing.assert_close(two, 2 * one)
