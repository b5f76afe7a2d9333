"""Optimizers of learners side by side: what a plain run is a run of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import torch
from hyperadam.averaging import newest_share
from hyperadam.kernels import open_stepper
from hyperadam.moves import moved_parameters
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.learners import Shapes


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


class AveragedState(NamedTuple):
    """What a run that averages its weights carries from step to step."""

    inner: Any
    """Of the optimizer that moves them."""
    average: Tensor
    """w̄, shape (L, p)."""
    n_steps: int
    """How many lie behind it."""


class Averaged:
    """Moves as another optimizer does, and gives an average of the newest weights
    (`hyperadam.averaging`)."""

    def __init__(self, inner: InnerOptimizer, eta: float) -> None:
        self._inner = inner
        self._eta = eta

    def init(self, w: Tensor, shapes: Shapes | None = None) -> AveragedState:
        return AveragedState(self._inner.init(w, shapes), w.clone(), 0)

    def step(
        self, w: Tensor, gradient: Tensor, state: AveragedState
    ) -> tuple[Tensor, AveragedState]:
        moved, inner = self._inner.step(w, gradient, state.inner)
        n_steps = state.n_steps + 1
        average = state.average.lerp_(moved, newest_share(float(n_steps), self._eta))
        return moved, AveragedState(inner, average, n_steps)

    def final_weights(self, w: Tensor, state: AveragedState) -> Tensor:  # noqa: ARG002
        return state.average.clone()


def average_weights(optimizer: InnerOptimizer, eta: float) -> InnerOptimizer:
    """The same optimizer, but that its runs give an average of their weights; 0: itself."""
    return Averaged(optimizer, eta) if eta else optimizer
