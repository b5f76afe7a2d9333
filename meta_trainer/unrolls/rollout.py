"""Running an optimizer on an optimizee without learning anything from it: validation and
evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import torch
from hyperadam.kernels import open_stepper
from hyperadam.moves import moved_parameters
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.learners import Shapes
from meta_trainer.tasks.optimizees import Optimizee


class InnerOptimizer(Protocol):
    """An optimizer of L learners side by side, learned or designed by hand."""

    def init(self, w: Tensor, shapes: Shapes | None = None) -> Any:
        """The state before the first step, for parameters (L, p) and their optimizee's `shapes`."""

    def step(self, w: Tensor, gradient: Tensor, state: Any) -> tuple[Tensor, Any]:
        """New parameters (L, p) and state; `gradient` (L, p) is taken at `w`. The state passed in
        is used up."""

    def final_weights(self, w: Tensor, state: Any) -> Tensor:
        """What a run that ends at w gives, (L, p): w, or what the optimizer has averaged. The run
        can go on from w."""


class LearnedState(NamedTuple):
    """What a learned optimizer carries from step to step."""

    rule_state: Any
    n_steps: int
    """How many lie behind it."""
    shares: Tensor | None
    """Of α_t, what each coordinate has; shape (p,); None: all of it."""


class Learned:
    """A rule with its Θ, moving as `hyperadam.rates` says."""

    def __init__(
        self, rule: Rule[Any], theta: Tensor, rate: Rate, lrs: Sequence[float] | None = None
    ) -> None:
        """
        Args:
            theta: flat, shape (n_theta,), of the dtype that it is run in.
            rate: α and its schedule.
            lrs: an α for each of L learners in its place, under the same schedule; None: all have
                that of `rate`.
        """
        self._rule = rule
        self._stepper = open_stepper(rule, theta)
        self._rate = rate
        self._rates = None if lrs is None else [replace(rate, lr=lr) for lr in lrs]

    def init(self, w: Tensor, shapes: Shapes | None = None) -> LearnedState:
        return LearnedState(self._rule.init_state(w, shapes), 0, self._rate.shares(shapes, w))

    def step(self, w: Tensor, gradient: Tensor, state: LearnedState) -> tuple[Tensor, LearnedState]:
        direction, rule_state = self._stepper.step(
            gradient, state.rule_state, out_state=state.rule_state
        )
        moved = self._move(w, direction, state)
        return moved, LearnedState(rule_state, state.n_steps + 1, state.shares)

    def final_weights(self, w: Tensor, state: LearnedState) -> Tensor:  # noqa: ARG002
        return w

    def _move(self, w: Tensor, direction: Tensor, state: LearnedState) -> Tensor:
        if self._rates is None:
            return moved_parameters(w, direction, self._rate, state.n_steps, state.shares)
        learners = zip(w.split(1), direction.split(1), self._rates, strict=True)
        rows = [
            moved_parameters(row, row_direction, rate, state.n_steps, state.shares)
            for row, row_direction, rate in learners
        ]
        return torch.cat(rows)


class Rollout(NamedTuple):
    """What became of L learners."""

    curves: Tensor
    """Loss at w_t on the minibatch of step t, t = 0 … T − 1; shape (T, L), float64; not finite once
    diverged."""
    final_losses: Tensor
    """Mean loss at the final weights over the minibatches of the run; shape (L,), float64; NaN
    where it is not finite."""
    parameters: Tensor
    """The final weights: w_T, or what the optimizer has averaged; shape (L, p)."""


def rollout(optimizer: InnerOptimizer, optimizee: Optimizee, n_steps: int) -> Rollout:
    """Run T = n_steps steps. A learner that diverges is a result (NaN in its `final_losses`), never
    an error."""
    (result,) = rollouts(optimizer, optimizee, [n_steps])
    return result


def learned_rollouts(
    rule: Rule[Any], theta: Tensor, rate: Rate, optimizee: Optimizee, horizons: Sequence[int]
) -> list[Rollout]:
    """A learned optimizer as it stands after each of these numbers of steps, which rise.

    One whose rate depends on it is told how long a run is, so that there is a run for each.
    """
    if not rate.knows_length:
        return rollouts(Learned(rule, theta, rate), optimizee, horizons)
    return [
        rollout(Learned(rule, theta, rate.over(n_steps)), optimizee, n_steps)
        for n_steps in horizons
    ]


def rollouts(
    optimizer: InnerOptimizer, optimizee: Optimizee, horizons: Sequence[int]
) -> list[Rollout]:
    """One run as it stands after each of these numbers of steps, which rise: the first steps are
    run only once."""
    w = optimizee.start()
    state = optimizer.init(w, optimizee.shapes)
    curves = torch.empty(horizons[-1], w.shape[0], dtype=torch.float64)
    results = []
    for step in range(horizons[-1]):
        losses, gradients = optimizee.losses_and_gradients(w, step)
        curves[step] = losses
        w, state = optimizer.step(w, gradients, state)
        if step + 1 in horizons:
            weights = optimizer.final_weights(w, state)
            final = optimizee.final_losses(weights, step + 1)
            finite = torch.where(final.isfinite(), final, torch.nan)
            results.append(Rollout(curves[: step + 1], finite, weights))
    return results
