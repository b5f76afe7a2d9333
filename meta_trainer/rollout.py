"""Running an optimizer on an optimizee without learning anything from it: validation and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from hyperadam.kernels import open_stepper
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.optimizees import Optimizee


class InnerOptimizer(Protocol):
    """An optimizer of L learners side by side, learned or designed by hand."""

    def init(self, w: Tensor) -> Any:
        """The state before the first step, for parameters (L, p)."""

    def step(self, w: Tensor, gradient: Tensor, state: Any) -> tuple[Tensor, Any]:
        """New parameters (L, p) and state; `gradient` (L, p) is taken at `w`. The state passed in is used up."""


class Learned:
    """A rule with its Θ: w ← w − α d."""

    def __init__(self, rule: Rule[Any], theta: Tensor, lr: float) -> None:
        """`theta` is flat, shape (n_theta,), of the dtype that it is run in."""
        self._rule, self._stepper, self._lr = rule, open_stepper(rule, theta), lr

    def init(self, w: Tensor) -> Any:
        return self._rule.init_state(w)

    def step(self, w: Tensor, gradient: Tensor, state: Any) -> tuple[Tensor, Any]:
        direction, state = self._stepper.step(gradient, state, out_state=state)
        return w - self._lr * direction, state


class Rollout(NamedTuple):
    """What became of L learners."""

    curves: Tensor
    """Loss at w_t on the minibatch of step t, t = 0 … T − 1; shape (T, L), float64; not finite once diverged."""
    final_losses: Tensor
    """Mean loss at w_T over the minibatches of the run; shape (L,), float64; NaN where it is not finite."""
    parameters: Tensor
    """w_T, shape (L, p)."""


def rollout(optimizer: InnerOptimizer, optimizee: Optimizee, n_steps: int) -> Rollout:
    """Run T = n_steps steps. A learner that diverges is a result (NaN in its `final_losses`), never an error."""
    (result,) = rollouts(optimizer, optimizee, [n_steps])
    return result


def rollouts(optimizer: InnerOptimizer, optimizee: Optimizee, horizons: Sequence[int]) -> list[Rollout]:
    """One run as it stands after each of these numbers of steps, which rise: the first steps are run only once."""
    w = optimizee.start()
    state = optimizer.init(w)
    curves = torch.empty(horizons[-1], w.shape[0], dtype=torch.float64)
    results = []
    for step in range(horizons[-1]):
        losses, gradients = optimizee.losses_and_gradients(w, step)
        curves[step] = losses
        w, state = optimizer.step(w, gradients, state)
        if step + 1 in horizons:
            final = optimizee.final_losses(w, step + 1)
            results.append(Rollout(curves[: step + 1], torch.where(final.isfinite(), final, torch.nan), w))
    return results
