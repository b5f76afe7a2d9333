"""Second order is the truth: the derivative of a period's meta-loss, by finite differences and by a
graph of the whole period, where first order is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators import (
    Objective,
    PeriodResult,
    differentiate_learners,
    differentiate_period,
)
from meta_trainer.learners import LossExpansion
from meta_trainer.specs import MetaLoss, Score
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState, begin_episode
from tests.meta_trainer.estimators.small_periods import (
    LEARNERS,
    N_LEARNERS,
    N_STEPS,
    RULES,
    SmallPeriod,
    make_optimizee,
    rate_of,
)

SCORES: list[Score] = ["next", "pre", "post-same"]
META_LOSSES: list[MetaLoss] = ["mean", "log", "last"]
EACH_RULE = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
EACH_SCORE = pytest.mark.parametrize("score", SCORES)
EACH_META_LOSS = pytest.mark.parametrize("meta_loss", META_LOSSES)


def differentiate_exactly(*arguments: Any, **options: Any) -> PeriodResult:
    return differentiate_learners(*arguments, **options, order=2)


def weighted(score: Score, meta_loss: MetaLoss) -> Objective:
    """With a weight for each step and a scale for each learner."""
    weights = torch.linspace(0.5, 2, N_STEPS, dtype=torch.float64)
    scale = torch.linspace(0.7, 3, N_LEARNERS, dtype=torch.float64)
    return Objective(score=score, meta_loss=meta_loss, weights=weights, scale=scale)


def check_against_differences(period: SmallPeriod) -> None:
    """The slopes of every learner along three random directions; those of first order differ."""
    state = period.start()
    fixed = {"n_steps": period.n_steps, "rate": period.rate}
    exact = differentiate_exactly(*period.arguments(state), **fixed).gradient
    first_order = differentiate_period(*period.arguments(state), **fixed).gradient
    g = torch.Generator().manual_seed(8)
    differences = []
    for _ in range(3):
        way = torch.randn(len(period.theta), generator=g, dtype=torch.float64)
        slopes = period.slopes(way, state)
        torch.testing.assert_close(exact @ way, slopes, rtol=2e-4, atol=1e-8)
        differences.append(float((first_order @ way - slopes.sum()).abs() / slopes.abs().sum()))
    assert max(differences) > 2e-3


@pytest.mark.slow
@EACH_RULE
@pytest.mark.parametrize(
    ("score", "meta_loss"), [("next", "mean"), ("pre", "log"), ("post-same", "last")]
)
def test_of_every_rule(rule: Rule[Any], score: Score, meta_loss: MetaLoss) -> None:
    """Of all combinations, the graph below."""
    optimizee = make_optimizee(tricks=True)
    check_against_differences(
        SmallPeriod(rule=rule, optimizee=optimizee, objective=weighted(score, meta_loss))
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("tricks", [False, True], ids=["plain", "tricks"])
def test_of_every_learner(name: str, tricks: bool) -> None:
    check_against_differences(
        SmallPeriod(
            rule=RULES["recommended"],
            optimizee=make_optimizee(name, tricks=tricks),
            objective=Objective(meta_loss="log"),
        )
    )


class Graph:
    """L(c ⊙ [w, z]) + h(z) of the tricks, left in the graph."""

    def __init__(self, scaling: Any) -> None:
        self.scale = scaling.scale
        self.target = scaling.inner.target
        self.data = scaling.inner.inner

    def losses(self, w: Tensor, step: int) -> Tensor:
        k = self.target.shape[1]
        scaled = w * self.scale
        convex = (scaled[:, -k:] - self.target).square().clamp(max=10).mean(1)
        return convex + self.data.learner.losses(scaled[:, :-k], *self.data.draw_minibatch(step))


def unroll(
    rule: Rule[Any],
    theta: Tensor,
    optimizee: Optimizee,
    state: EpisodeState,
    objective: Objective,
) -> Tensor:
    """d/dΘ of the meta-loss of all learners, by one graph with the gradients in it; (n_theta,)."""
    graph = Graph(optimizee)
    theta = theta.clone().requires_grad_()
    w, rule_state = state.w.requires_grad_(), state.rule_state
    shapes = optimizee.shapes
    assert shapes is not None
    rate = rate_of(rule)
    share = torch.cat([w.new_full((torch.Size(s).numel(),), rate.share(s)) for s in shapes])
    scored = []
    for step in range(state.step, state.step + N_STEPS):
        losses = graph.losses(w, step)
        (gradient,) = torch.autograd.grad(losses.sum(), w, create_graph=True)
        direction, rule_state = rule.update(rule.unpack(theta), gradient, rule_state)
        alpha = rate.lr * min(1, (step + 1) / 6) * min(1, 7 / (step + 1)) ** 0.5
        w = (1 - alpha * rate.weight_decay) * w - alpha * share * direction
        after = step + 1 if objective.score == "next" else step
        scored.append(losses if objective.score == "pre" else graph.losses(w, after))
    values = torch.stack(scored)
    values = values.log() if objective.meta_loss == "log" else values
    meta_losses = values[-1] if objective.meta_loss == "last" else values.mean(0)
    (result,) = torch.autograd.grad(meta_losses.sum(), theta)
    return result


@EACH_RULE
@EACH_SCORE
@EACH_META_LOSS
def test_equals_the_graph_of_the_whole_period(
    rule: Rule[Any], score: Score, meta_loss: MetaLoss
) -> None:
    objective = Objective(score=score, meta_loss=meta_loss)
    period = SmallPeriod(rule=rule, optimizee=make_optimizee(tricks=True), objective=objective)
    state = period.start()
    expected = unroll(*period.arguments(state))
    exact = differentiate_exactly(*period.arguments(state), n_steps=N_STEPS, rate=period.rate)
    assert expected.abs().max() > 1e-6
    torch.testing.assert_close(
        exact.gradient.sum(0), expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max())
    )


@EACH_RULE
@pytest.mark.parametrize(
    ("score", "meta_loss"), [("next", "last"), ("pre", "mean"), ("post-same", "log")]
)
def test_of_first_order_the_rows_add_up_to_first_order(
    rule: Rule[Any], score: Score, meta_loss: MetaLoss
) -> None:
    optimizee = make_optimizee(tricks=True)
    period = SmallPeriod(rule=rule, optimizee=optimizee, objective=weighted(score, meta_loss))
    state = period.start()
    fixed: dict[str, Any] = {"n_steps": N_STEPS, "rate": period.rate}
    rows = differentiate_learners(*period.arguments(state), **fixed, order=1)
    expected = differentiate_period(*period.arguments(state), **fixed)
    torch.testing.assert_close(rows.gradient.sum(0), expected.gradient, rtol=1e-10, atol=1e-14)
    assert rows.gradient.shape == (N_LEARNERS, rule.n_theta)
    assert torch.equal(rows.losses, expected.losses)


@EACH_SCORE
def test_walks_as_first_order_does(score: Score) -> None:
    objective = Objective(score=score)
    period = SmallPeriod(
        rule=RULES["recommended"], optimizee=make_optimizee(tricks=True), objective=objective
    )
    state = period.start()
    exact, first_order = (
        differentiate(*period.arguments(state), n_steps=N_STEPS, rate=period.rate)
        for differentiate in (differentiate_exactly, differentiate_period)
    )
    assert torch.equal(exact.losses, first_order.losses)
    assert torch.equal(exact.state.w, first_order.state.w)
    assert all(
        torch.equal(field, right)
        for field, right in zip(exact.state.rule_state, first_order.state.rule_state, strict=True)
    )


def test_of_one_step_first_order_is_exact() -> None:
    """No gradient of the period comes after its step."""
    period = SmallPeriod(
        rule=RULES["recommended"], optimizee=make_optimizee(), objective=Objective(), n_steps=1
    )
    state = period.start()
    exact, first_order = (
        differentiate(*period.arguments(state), n_steps=1, rate=period.rate)
        for differentiate in (differentiate_exactly, differentiate_period)
    )
    torch.testing.assert_close(exact.gradient.sum(0), first_order.gradient)


class BlowingUp(Optimizee):
    """Losses of another optimizee; the first learner's are not a number from some step on."""

    def __init__(self, inner: Optimizee, step: int) -> None:
        self.inner = inner
        self.first_bad_step = step

    def _spoil(self, values: Tensor, step: int) -> Tensor:
        if step < self.first_bad_step:
            return values
        return torch.cat([torch.full_like(values[:1], torch.nan), values[1:]])

    def start(self) -> Tensor:
        return self.inner.start()

    def losses(self, w: Tensor, step: int) -> Tensor:
        return self._spoil(self.inner.losses(w, step), step)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        losses, gradients = self.inner.losses_and_gradients(w, step)
        return self._spoil(losses, step), self._spoil(gradients, step)

    def expand_losses(self, w: Tensor, step: int) -> LossExpansion:
        losses, gradients = self.losses_and_gradients(w, step)
        expansion = self.inner.expand_losses(w, step)
        return LossExpansion(
            losses, gradients, lambda vectors: self._spoil(expansion.multiply(vectors), step)
        )


def test_a_diverged_learner_adds_nothing() -> None:
    sound = SmallPeriod(
        rule=RULES["recommended"], optimizee=make_optimizee(), objective=Objective()
    )
    state = begin_episode(sound.rule, sound.optimizee)
    broken = replace(sound, optimizee=BlowingUp(sound.optimizee, step=2))
    rate = replace(sound.rate, base_fan_in=0, least_fan_in=0)  # it tells no shapes
    expected = differentiate_exactly(*sound.arguments(state), n_steps=N_STEPS, rate=rate)
    result = differentiate_exactly(*broken.arguments(state), n_steps=N_STEPS, rate=rate)
    assert result.state.current.diverged.tolist() == [True, False]
    assert torch.equal(result.gradient[0], torch.zeros_like(result.gradient[0]))
    assert torch.equal(result.gradient[1], expected.gradient[1])
    assert result.losses.isfinite().all(0).tolist() == [False, True]
    assert all(part.isfinite().all() for part in (result.state.w, *result.state.rule_state))


class Steep(BlowingUp):
    """Its first learner's curvature leaves the range of numbers, but its losses do not."""

    def losses(self, w: Tensor, step: int) -> Tensor:
        return self.inner.losses(w, step)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.inner.losses_and_gradients(w, step)


def test_a_learner_without_a_finite_derivative_adds_nothing_and_counts_as_diverged() -> None:
    period = SmallPeriod(
        rule=RULES["recommended"],
        optimizee=Steep(make_optimizee(), step=1),
        objective=Objective(),
    )
    state = begin_episode(period.rule, period.optimizee)
    result = differentiate_exactly(*period.arguments(state), n_steps=N_STEPS, rate=period.rate)
    assert result.gradient.isfinite().all()
    assert not result.gradient[0].any()
    assert result.gradient[1].any()
    assert result.losses.isfinite().all(0).tolist() == [False, True]
    assert not result.state.current.diverged.any()
