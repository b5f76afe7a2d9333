"""ES, ES-Single and PES estimate what they say: against closed forms, within stated standard
errors.

The closed forms are those of a quadratic and a rule with a rate of its own for each coordinate, d =
Θ ⊙ g, so that

    w_t − a = (w_0 − a) ⊙ Π_s (1 − α Θ_s),    L(w_t) = ½ ‖w_t − a‖²

and every expectation over Gaussian Θ_s is a product of one-dimensional ones, exact by Gauss–Hermite
quadrature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec, Rule
from torch import Tensor

from meta_trainer.estimators import (
    GradientEstimate,
    Objective,
    Period,
    antithetic_pairs,
    estimate_gradient,
    meta_gradient,
)
from meta_trainer.seeds import make_generator
from meta_trainer.specs import (
    ESSingleSpec,
    ESSpec,
    EstimatorSpec,
    MixPart,
    MixSpec,
    PESSpec,
    TBPTTSpec,
)
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import begin_episode
from tests.meta_trainer.differentiating import differentiate

LR, SIGMA, PERIOD, N_PERIODS = 0.15, 0.1, 2, 3
RATE = Rate(lr=LR)
HORIZON = PERIOD * N_PERIODS
THETA = torch.tensor([0.4, 1.1, 2.0], dtype=torch.float64)
TARGET = torch.tensor([1.0, -2.0, 1.5], dtype=torch.float64)


class NoState(NamedTuple):
    unused: Tensor


class RatesRule(Rule[NoState]):
    """d = Θ ⊙ g, with Θ in two tensors."""

    kind = "rates"
    inits = ("ones",)
    spec = None
    theta_shapes: ClassVar[dict[str, tuple[int, ...]]] = {"first": (1,), "others": (2,)}

    def init_theta(self, generator: torch.Generator, init: str) -> dict[str, Tensor]:
        return {
            name: torch.ones(shape, dtype=torch.float64)
            for name, shape in self.theta_shapes.items()
        }

    def init_state(self, w: Tensor, shapes: Any = None) -> NoState:
        return NoState(w.new_zeros((1, *w.shape)))

    def update(self, theta: Any, gradient: Tensor, state: NoState) -> tuple[Tensor, NoState]:
        return torch.cat([theta["first"], theta["others"]]) * gradient, state


class Bowl(Optimizee):
    """½ ‖w − a‖², from 0; in `turns_nan_beyond`, not finite where |w| is larger."""

    def __init__(self, n_learners: int = 1, turns_nan_beyond: float = float("inf")) -> None:
        self.n_learners, self.limit = n_learners, turns_nan_beyond

    def start(self) -> Tensor:
        return torch.zeros(self.n_learners, 3, dtype=torch.float64)

    def losses(self, w: Tensor, step: int) -> Tensor:
        return self.losses_and_gradients(w, step)[0]

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        losses = 0.5 * (w - TARGET).square().sum(1)
        return torch.where(w.abs().amax(1) > self.limit, torch.nan, losses), w - TARGET


class Cliff(Bowl):
    """The bowl's losses, all of them finite; beyond the limit its gradient is not."""

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        losses, gradients = Bowl(self.n_learners).losses_and_gradients(w, step)
        is_beyond = w.abs().amax(1, keepdim=True) > self.limit
        return losses, torch.where(is_beyond, torch.inf, gradients)


def smoothed_gradient(sigma: float, *, fresh_every: int) -> Tensor:
    """∇_Θ E[1/T Σ_t L(w_t)] where Θ is perturbed by N(0, σ²), anew after every `fresh_every`
    steps."""
    nodes, weights = (torch.from_numpy(x) for x in np.polynomial.hermite_e.hermegauss(40))
    theta = THETA.clone().requires_grad_()
    shrink = 1 - LR * (theta[:, None] + sigma * nodes)

    def moment(n_steps: int) -> Tensor:
        return (shrink ** (2 * n_steps) * weights).sum(1) / weights.sum()

    total = torch.zeros((), dtype=torch.float64)
    for t in range(1, HORIZON + 1):
        whole, rest = divmod(t, fresh_every)
        total = total + (0.5 * TARGET**2 * moment(fresh_every) ** whole * moment(rest)).sum()
    (gradient,) = torch.autograd.grad(total / HORIZON, theta)
    return gradient


def run(
    spec: EstimatorSpec,
    state: Any = None,
    *,
    episode: int = 0,
    n_steps: int = PERIOD,
    learners: Sequence[int] = (0,),
) -> GradientEstimate:
    """One period of `spec` on as many bowls as there are learners."""
    period = Period(
        rule=RatesRule(),
        theta=THETA,
        optimizee=Bowl(len(learners)),
        objective=Objective(),
        rate=RATE,
        n_steps=n_steps,
        horizon=HORIZON,
        seed=5,
        episode=episode,
        learners=learners,
    )
    return estimate_gradient(spec, period, state)


def total_gradient(
    spec: EstimatorSpec,
    result: GradientEstimate,
    *,
    episode: int = 0,
    learners: Sequence[int] = (0,),
) -> Tensor:
    return meta_gradient(
        spec,
        RatesRule(),
        result.gradient,
        result.slopes,
        seed=5,
        episode=episode,
        learners=learners,
    )


def samples(spec: EstimatorSpec, n_steps: int, n_samples: int = 16, n_learners: int = 24) -> Tensor:
    """Meta-gradients over whole episodes, the mean of the periods', as a meta-training has them;
    (n_samples, 3)."""
    gradients = torch.zeros(n_samples, 3, dtype=torch.float64)
    for episode in range(n_samples):
        state = None
        for first in range(0, HORIZON, n_steps):
            result = run(spec, state, episode=episode, n_steps=n_steps, learners=range(n_learners))
            gradients[episode] += (
                total_gradient(spec, result, episode=episode, learners=range(n_learners))
                / n_learners
            )
            state = result.state
            assert (state is None) == (first + n_steps == HORIZON)
    return gradients * n_steps / HORIZON


@pytest.mark.parametrize(
    ("spec", "n_steps", "fresh_every"),
    [
        (ESSpec(sigma=SIGMA, n_pairs=1), HORIZON, HORIZON),
        (ESSingleSpec(sigma=SIGMA, n_pairs=1), PERIOD, HORIZON),
        (PESSpec(sigma=SIGMA, n_pairs=1), PERIOD, PERIOD),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_the_expectation_is_the_gradient_of_the_smoothed_loss(
    spec: Any, n_steps: int, fresh_every: int
) -> None:
    """Within four standard errors on every coordinate, which are small beside the gradient and
    beside TBPTT's bias."""
    found = samples(spec, n_steps)
    error = found.std(0) / len(found) ** 0.5
    expected = smoothed_gradient(SIGMA, fresh_every=fresh_every)
    assert bool(((found.mean(0) - expected).abs() < 4 * error).all())
    assert float(error.norm()) < 0.2 * float(expected.norm())
    assert float((truncated_gradient() - found.mean(0)).norm()) > 3 * float(error.norm())


@pytest.mark.parametrize("kind", [ESSingleSpec, PESSpec])
def test_of_the_tensors_that_are_not_named_there_is_no_gradient(kind: Any) -> None:
    """The bowl's coordinates have nothing to do with each other: of those perturbed, all is as if
    all were."""
    gradients = samples(kind(sigma=SIGMA, n_pairs=1, tensors=("others",)), PERIOD)
    expected = smoothed_gradient(SIGMA, fresh_every=PERIOD if kind is PESSpec else HORIZON)
    errors = gradients.std(0) / len(gradients) ** 0.5
    assert not gradients[:, 0].any()
    assert ((gradients.mean(0) - expected).abs() < 4 * errors)[1:].all()


def test_truncation_is_biased_and_persistence_is_not() -> None:
    """In closed form: fresh perturbations every period smooth a little differently, truncation
    loses much of it."""
    truth, persistent = (
        smoothed_gradient(SIGMA, fresh_every=HORIZON),
        smoothed_gradient(SIGMA, fresh_every=PERIOD),
    )
    assert float((persistent - truth).norm()) < 0.02 * float(truth.norm())
    assert float((truncated_gradient() - truth).norm()) > 0.4 * float(truth.norm())


def truncated_gradient() -> Tensor:
    """What TBPTT gives over the same periods."""
    state, total = begin_episode(RatesRule(), Bowl()), torch.zeros_like(THETA)
    for _ in range(N_PERIODS):
        result = differentiate(RatesRule(), THETA, Bowl(), state, n_steps=PERIOD, rate=RATE)
        total, state = total + result.gradient / N_PERIODS, result.state
    return total


@pytest.mark.parametrize("score", ["next", "pre", "post-same"])
@pytest.mark.parametrize("meta_loss", ["mean", "log", "last"])
def test_slopes_are_differences_of_the_losses_of_unperturbed_runs(
    score: Any, meta_loss: Any
) -> None:
    """With HyperAdam's own rule, learner by learner: F from the losses that the tape scores at Θ ±
    σ ε."""
    rule = HyperAdamRule(
        HyperAdamSpec(n_candidates=2, normalization="rms", norm_epsilon=0.0, squash="asinh")
    )
    theta = rule.pack(rule.init_theta(make_generator(0, "theta"), "adam-ensemble"))
    directions = torch.randn(
        2, 3, len(theta), generator=make_generator(1, "test"), dtype=torch.float64
    )
    weights, scale = (
        torch.tensor([0.5, 1.0, 1.5, 3.0]),
        torch.tensor([1.0, 3.0], dtype=torch.float64),
    )
    objective = Objective(score=score, meta_loss=meta_loss, weights=weights, scale=scale)
    problem = Bowl(2)
    state = begin_episode(rule, problem)
    result = antithetic_pairs(
        rule,
        theta,
        directions,
        problem,
        [state] * 6,
        objective,
        sigma=0.05,
        n_steps=4,
        rate=RATE,
        keep_states=True,
    )

    def value(learner: int, vector: Tensor) -> float:
        losses = differentiate(
            rule, vector, problem, state, n_steps=4, rate=RATE, score=score
        ).losses[:, learner]
        if meta_loss == "last":
            return float(losses[-1] * weights[-1] / scale[learner])
        return float(
            (weights * (losses.log() if meta_loss == "log" else losses / scale[learner])).mean()
        )

    for learner in range(2):
        for pair in range(3):
            step = 0.05 * directions[learner, pair]
            expected = (value(learner, theta + step) - value(learner, theta - step)) / 0.1
            assert float(result.slopes[learner, pair]) == pytest.approx(expected, rel=1e-9)


def test_tbptt_and_es_have_one_objective() -> None:
    """With one step first order is exact: the derivative of the tape along ε is the slope at small
    σ."""
    rule = HyperAdamRule(
        HyperAdamSpec(n_candidates=2, normalization="rms", norm_epsilon=0.0, squash="asinh")
    )
    theta = rule.pack(rule.init_theta(make_generator(0, "theta"), "adam-ensemble"))
    epsilon = torch.randn(
        1, 1, len(theta), generator=make_generator(1, "test"), dtype=torch.float64
    )
    weights, scale = torch.tensor([0.7]), torch.tensor([2.5], dtype=torch.float64)
    state = begin_episode(rule, Bowl())
    for meta_loss in ("mean", "log", "last"):
        own: Any = {"meta_loss": meta_loss, "weights": weights, "scale": scale}
        by_tape = (
            differentiate(rule, theta, Bowl(), state, n_steps=1, rate=RATE, **own).gradient
            @ epsilon[0, 0]
        )
        by_pair = antithetic_pairs(
            rule,
            theta,
            epsilon,
            Bowl(),
            [state] * 2,
            Objective(**own),
            sigma=1e-5,
            n_steps=1,
            rate=RATE,
        )
        assert float(by_pair.slopes) == pytest.approx(float(by_tape), rel=1e-5)


def test_es_is_es_single_over_the_whole_episode() -> None:
    es, single = (run(kind(n_pairs=3), n_steps=HORIZON) for kind in (ESSpec, ESSingleSpec))
    assert torch.equal(es.slopes[0], single.slopes[0])
    assert es.state is single.state is None


def test_a_mix_is_the_weighted_sum_of_its_parts() -> None:
    single, bptt = ESSingleSpec(n_pairs=2), TBPTTSpec()
    mix = MixSpec(
        parts=(MixPart(weight=0.5, estimator=single), MixPart(weight=3.0, estimator=bptt))
    )
    states: list[Any] = [None, None, None]
    for _ in range(N_PERIODS):
        results = [
            run(spec, state) for spec, state in zip((mix, single, bptt), states, strict=True)
        ]
        states = [result.state for result in results]
        whole, first, second = map(total_gradient, (mix, single, bptt), results)
        torch.testing.assert_close(whole, 0.5 * first + 3.0 * second, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(results[0].losses, (results[1].losses + results[2].losses) / 2)


@pytest.mark.parametrize(
    "spec", [PESSpec(n_pairs=2), ESSingleSpec(n_pairs=2)], ids=lambda spec: spec.kind
)
def test_learners_do_not_see_their_neighbours(spec: Any) -> None:
    """Learners of one chunk give the sum of what each gives alone, in every period."""

    def periods(learners: Sequence[int]) -> list[Tensor]:
        first = run(spec, learners=learners)
        second = run(spec, first.state, learners=learners)
        return [total_gradient(spec, result, learners=learners) for result in (first, second)]

    for both, one, other in zip(periods([3, 4]), periods([3]), periods([4]), strict=True):
        torch.testing.assert_close(both, one + other, rtol=1e-12, atol=1e-14)
        assert not torch.equal(one, other)


def test_a_pair_of_which_one_diverged_adds_nothing() -> None:
    problem = Bowl(turns_nan_beyond=2.1)
    directions = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 10.0, 0.0]]], dtype=torch.float64)
    states = [begin_episode(RatesRule(), problem)] * 4
    result = antithetic_pairs(
        RatesRule(),
        THETA,
        directions,
        problem,
        states,
        Objective(),
        sigma=0.5,
        n_steps=4,
        rate=RATE,
    )
    assert result.slopes.tolist() == [[0.0, 0.0]]
    assert not bool(result.losses.isfinite().all())
    assert all(bool(end.w.isfinite().all()) for end in result.states)
    sound = antithetic_pairs(
        RatesRule(), THETA, directions, Bowl(), states, Objective(), sigma=0.5, n_steps=4, rate=RATE
    )
    assert sound.slopes[0, 1] != 0


def test_a_pair_of_which_one_diverged_by_its_gradient_alone_adds_nothing() -> None:
    """Its losses are finite up to the end, and mean nothing from then on."""
    problem = Cliff(turns_nan_beyond=2.1)
    directions = torch.tensor([[[0.0, 10.0, 0.0]]], dtype=torch.float64)
    states = [begin_episode(RatesRule(), problem)] * 2
    result = antithetic_pairs(
        RatesRule(),
        THETA,
        directions,
        problem,
        states,
        Objective(),
        sigma=0.5,
        n_steps=4,
        rate=RATE,
    )
    assert result.losses.isfinite().all()
    assert result.slopes.tolist() == [[0.0]]
