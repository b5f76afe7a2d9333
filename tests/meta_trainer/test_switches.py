"""The switches that are off by default: what each does when it is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate

from meta_trainer.datasets import load
from meta_trainer.specs import MetaOptimizerSpec, MetaTrainingSpec, UnrollSpec
from meta_trainer.specs.timeline import timeline
from meta_trainer.tasks import build_training_optimizee
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.meta_optimizer import MetaOptimizer
from meta_trainer.training.objectives import make_objective, weigh_steps
from meta_trainer.training.units import make_rule
from meta_trainer.unrolls.episodes import begin_episode
from tests.meta_trainer.differentiating import differentiate


def test_a_curriculum_grows_from_short_to_full_horizons() -> None:
    given = {
        "unroll": {"horizon": 160, "period": 20, "curriculum": {"initial": 20, "growth": 0.5}},
        "n_episodes": 12,
    }
    spec = MetaTrainingSpec.model_validate(given)
    assert spec.timeline.horizons == [
        20,
        20,
        40,
        40,
        80,
        100,
        160,
        160,
        160,
        160,
        160,
        160,
    ]  # 20 · 8^(e/6), in periods
    assert [spec.period_of(episode) for episode in (0, 11)] == [20, 20]
    assert spec.n_updates == sum(spec.timeline.horizons) // 20


def test_a_curriculum_bounds_the_drawn_horizons() -> None:
    free = timeline(3, 4000, 2, 16, period=1)
    grown = timeline(3, 4000, 2, 16, period=1, curriculum=(4, 0.5))
    assert grown.lengths[2000:] == free.lengths[2000:]
    for first, last in ((0, 100), (900, 1100), (1900, 2000)):
        bounds = [4 * 4 ** (episode / 2000) for episode in (first, last)]
        assert max(grown.lengths[first:last]) <= bounds[1]
        assert set(grown.lengths[first:last]) >= set(range(2, int(bounds[0])))


def test_whole_episodes_are_one_update_each_whatever_their_length() -> None:
    given = {
        "tasks": {"mlp": {}, "horizon": [20, 200]},
        "n_episodes": 40,
        "unroll": {"period": None},
    }
    spec = MetaTrainingSpec.model_validate(given)
    assert spec.n_updates == 40
    assert len(set(spec.timeline.horizons)) > 20
    assert all(20 <= spec.horizon_of(e) == spec.period_of(e) <= 200 for e in range(40))


def test_weight_decay_is_that_of_adamw() -> None:
    spec = MetaOptimizerSpec(
        rate=0.1, schedule="constant", warmup_updates=0, clip_norm=100, weight_decay=0.3
    )
    start = torch.tensor([1.0, -2.0, 3.0])
    meta, parameter = MetaOptimizer(spec, start, 10), torch.nn.Parameter(start.clone())
    adamw = torch.optim.AdamW([parameter], lr=0.1, weight_decay=0.3)
    for gradient in (torch.tensor([3.0, 4.0, 0.0]), torch.tensor([0.1, 0.0, 0.2]), torch.zeros(3)):
        meta.step(gradient)
        parameter.grad = gradient
        adamw.step()
    torch.testing.assert_close(meta.theta, parameter.detach())


def test_weight_decay_can_pull_back_to_the_start() -> None:
    """(Θ − Θ°) shrinks by 1 − rate λ when no gradient moves it, also after a resumption, which
    begins anew at Θ°."""
    spec = MetaOptimizerSpec(
        rate=0.1, schedule="constant", warmup_updates=0, weight_decay=2.0, decay_towards="start"
    )
    start = torch.tensor([1.0, -2.0, 3.0])
    meta = MetaOptimizer(spec, start, 10)
    meta.step(torch.zeros(3))
    assert torch.equal(meta.theta, start)
    moved = meta.state() | {"theta": start + 1.0}
    meta = MetaOptimizer(spec, start, 10)
    meta.load(moved, 1)
    meta.step(torch.zeros(3))
    torch.testing.assert_close(meta.theta, start + 0.8)


def test_the_final_loss_has_its_share_and_the_mean_weight_stays_one() -> None:
    unroll = UnrollSpec(horizon=100, period=20, final_weight=0.25, final_steps=10)
    weights = torch.cat([weigh_steps(unroll, first) for first in range(0, 100, 20)])
    torch.testing.assert_close(weights[:90], torch.full((90,), 0.75))
    torch.testing.assert_close(weights[90:], torch.full((10,), 0.75 + 0.25 * 10))
    only_the_last = weigh_steps(UnrollSpec(horizon=10, period=None, final_weight=1.0), 0)
    assert only_the_last.tolist() == [0.0] * 9 + [10.0]
    shorter = weigh_steps(unroll, 0, horizon=5, n_steps=5)  # an episode shorter than `final_steps`
    torch.testing.assert_close(shorter, torch.ones(5))


@pytest.mark.parametrize("unit", [1e-3, 50.0])
def test_losses_scaled_by_the_first_one_have_no_unit(unit: float) -> None:
    """A rule that does not see the scale of gradients gets one meta-gradient from L and from L in
    another unit."""

    @dataclass(frozen=True, eq=False)
    class InUnits(Optimizee):
        inner: Optimizee
        unit: float

        def start(self) -> torch.Tensor:
            return self.inner.start()

        def losses(self, w: torch.Tensor, step: int) -> torch.Tensor:
            return self.unit * self.inner.losses(w, step)

        def losses_and_gradients(
            self, w: torch.Tensor, step: int
        ) -> tuple[torch.Tensor, torch.Tensor]:
            losses, gradients = self.inner.losses_and_gradients(w, step)
            return self.unit * losses, self.unit * gradients

    spec = MetaTrainingSpec.model_validate(
        {"task": {"hidden": [3]}, "n_learners": 2, "rule": {"n_candidates": 3}}
    )
    inner = build_training_optimizee(spec, load("mnist5k"), 0, 0, torch.float64)
    rule, theta = make_rule(spec.rule), make_initial_theta(spec).double()

    def gradient(optimizee: Optimizee, scaling: Any) -> torch.Tensor:
        objective = make_objective(UnrollSpec(loss_scaling=scaling), optimizee, 0, 5, 100)
        own = {
            "weights": objective.weights,
            "scale": objective.scale,
            "n_steps": 5,
            "rate": Rate(lr=0.005),
        }
        return differentiate(rule, theta, optimizee, begin_episode(rule, optimizee), **own).gradient

    scaled, plain = gradient(InUnits(inner, unit), "initial"), gradient(inner, "initial")
    torch.testing.assert_close(scaled, plain, rtol=1e-6, atol=1e-6 * float(plain.abs().max()))
    assert not torch.allclose(
        gradient(InUnits(inner, unit), "none"), gradient(inner, "none"), rtol=0.5, atol=0
    )
    expected = inner.losses(inner.start(), 0)
    torch.testing.assert_close(
        make_objective(UnrollSpec(loss_scaling="initial"), inner, 20, 5, 100).scale, expected
    )
