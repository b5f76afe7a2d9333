"""Short periods of tiny learners in float64, for tests of estimators against the meta-loss
itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from hyperadam.kernels import open_stepper
from hyperadam.rates import Rate
from hyperadam.rules import (
    DMRule,
    DMSpec,
    HyperAdamRule,
    HyperAdamSpec,
    HyperAdamTensorRule,
    HyperAdamTensorSpec,
    RNNpropRule,
    RNNpropSpec,
    Rule,
)
from torch import Tensor, nn

from meta_trainer.datasets import TensorData
from meta_trainer.estimators import Objective
from meta_trainer.learners import CNN, LSTM, MLP, Learner, ModuleLearner
from meta_trainer.specs import ACTIVATIONS
from meta_trainer.tasks.optimizees import Optimizee, Supervised
from meta_trainer.tasks.tricks import RandomScaling, WithConvex
from meta_trainer.unrolls.episodes import EpisodeState, LossAndGradient, begin_episode
from meta_trainer.unrolls.period import run_period_steps

N_LEARNERS, N_STEPS, BATCH = 2, 4, 3
N_CONVEX = 3

RECOMMENDED: dict[str, Any] = {
    "normalization": "rms",
    "norm_epsilon": 0.0,
    "squash": "asinh",
    "skip_zero_gradients": True,
    "direction_bound": 20.0,
}
RULES: dict[str, Rule[Any]] = {
    "recommended": HyperAdamRule(HyperAdamSpec(n_candidates=3, **RECOMMENDED)),
    "as-published": HyperAdamRule(HyperAdamSpec(n_candidates=2)),
    "as-printed": HyperAdamRule(
        HyperAdamSpec(n_candidates=2, normalize_state=False, epsilon_inside_root=False)
    ),
    "no-lstm": HyperAdamRule(HyperAdamSpec(n_candidates=2, lstm=False, **RECOMMENDED)),
    "rnnprop": RNNpropRule(RNNpropSpec(n_hidden=3)),
    "dm": DMRule(DMSpec(n_hidden=3)),
    "hyperadam-tensor": HyperAdamTensorRule(HyperAdamTensorSpec(n_candidates=2, n_hidden=4)),
}
RATE = Rate(lr=0.05, warmup_steps=6, decay_after=7, base_fan_in=5, least_fan_in=2, weight_decay=3.0)


def rate_of(rule: Rule[Any]) -> Rate:
    """Steps of the other rules are shorter by 0.1 and more."""
    return RATE if rule.kind == "hyperadam" else replace(RATE, lr=3.0, weight_decay=0.05)


def make_module() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 3), nn.GELU(), nn.LayerNorm(3), nn.Linear(3, 2))


def make_dropping_module() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))


LEARNERS: dict[str, Learner] = {
    **{f"mlp-{activation}": MLP((6, 4, 3), activation) for activation in ACTIVATIONS},
    "deep-mlp": MLP((6, 4, 4, 4, 3), "tanh"),
    "cnn": CNN("cnn-1", (1, 4, 4), 3),
    "cnn-batch-norm": CNN("cnn-1", (1, 4, 4), 3, batch_norm=True),
    "cnn-dropout": CNN("cnn-1", (1, 4, 4), 3, dropout=True),
    "lstm": LSTM(1, 3),
    "two-layer-lstm": LSTM(2, 2),
    "module": ModuleLearner(make_module, nn.functional.mse_loss),
    "random-module": ModuleLearner(make_dropping_module, nn.functional.mse_loss, random=True),
}


def make_data(learner: Learner) -> TensorData:
    g = torch.Generator().manual_seed(5)
    n_features = 16 if isinstance(learner, CNN) else 6
    inputs = torch.randn(20, n_features, generator=g, dtype=torch.float64)
    if isinstance(learner, LSTM):
        return TensorData("numbers", inputs, inputs.mean(1))
    if isinstance(learner, ModuleLearner):
        return TensorData("pairs", inputs, inputs[:, :2].sin())
    return TensorData("classes", inputs, torch.randint(3, (20,), generator=g))


def make_optimizee(name: str = "mlp-tanh", *, tricks: bool = False) -> Optimizee:
    """Learners of a kind, by name; with both tricks, or plain."""
    learner = LEARNERS[name]
    indices = [(i,) for i in range(N_LEARNERS)]
    std = 1.0 if isinstance(learner, ModuleLearner) else 0.3
    plain = Supervised(
        learner, make_data(learner), 0, "test", indices, BATCH, std, dtype=torch.float64
    )
    if not tricks:
        return plain
    g = torch.Generator().manual_seed(6)
    target = 4 * torch.rand(N_LEARNERS, N_CONVEX, generator=g, dtype=torch.float64) - 2
    n_coordinates = learner.n_coordinates + N_CONVEX
    scale = torch.rand(N_LEARNERS, n_coordinates, generator=g, dtype=torch.float64) + 0.5
    return RandomScaling(WithConvex(plain, target), scale)


def make_theta(rule: Rule[Any]) -> Tensor:
    """A start that is moved, so that no part of it is 0; that of the others hardly moves a
    learner."""
    g = torch.Generator().manual_seed(7)
    start = rule.pack(rule.init_theta(g, rule.inits[0]))
    size = 0.1 if rule.kind == "hyperadam" else 0.5
    return start + size * torch.randn(len(start), generator=g, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class SmallPeriod:
    """One period of N_STEPS steps that begins where another one has ended."""

    rule: Rule[Any]
    optimizee: Optimizee
    objective: Objective
    n_steps: int = N_STEPS

    @property
    def rate(self) -> Rate:
        return rate_of(self.rule)

    @property
    def theta(self) -> Tensor:
        return make_theta(self.rule)

    def start(self) -> EpisodeState:
        """After three steps of the episode."""
        state = begin_episode(self.rule, self.optimizee)
        before = replace(self, n_steps=3, objective=Objective(score=self.objective.score))
        _, state = before.run(self.theta, state)
        return state

    def arguments(self, state: EpisodeState) -> tuple[Any, ...]:
        """Of the functions that differentiate a period."""
        return self.rule, self.theta, self.optimizee, state, self.objective

    def run(self, theta: Tensor, state: EpisodeState) -> tuple[Tensor, EpisodeState]:
        """The meta-loss of each learner, shape (L,), and where they are then."""
        stepper = open_stepper(self.rule, theta)
        rule_states = [state.rule_state]
        losses: list[Tensor] = []

        def take_direction(w: Tensor, gradient: Tensor) -> Tensor:
            direction, rule_state = stepper.step(gradient, rule_states[-1])
            rule_states.append(rule_state)
            return direction

        def visit(evaluation: LossAndGradient) -> None:
            losses.append(evaluation.loss)

        end = run_period_steps(
            self.optimizee,
            state,
            take_direction,
            visit,
            n_steps=self.n_steps,
            rate=self.rate,
            score=self.objective.score,
        )
        after = EpisodeState(end.w, end.current, rule_states[-1], state.step + self.n_steps)
        return self.objective.values(torch.stack(losses)), after

    def slopes(self, way: Tensor, state: EpisodeState, step: float = 1e-6) -> Tensor:
        """How fast the meta-loss of each learner rises along `way`, by a central difference; shape
        (L,)."""
        ahead, _ = self.run(self.theta + step * way, state)
        behind, _ = self.run(self.theta - step * way, state)
        return (ahead - behind) / (2 * step)
