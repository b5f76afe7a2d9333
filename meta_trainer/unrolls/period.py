"""The steps of one period of L learners, whatever becomes of their losses.

d_t, state_t = update(Θ, ∇L(w_{t−1}), state_{t−1})
w_t = (1 − α_t λ) w_{t−1} − α_t share d_t                  (`hyperadam.rates`)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from hyperadam.moves import moved_parameters
from hyperadam.rates import Rate
from torch import Tensor

from meta_trainer.specs import Score
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState, LossAndGradient, measure_learners

Measure = Callable[[Tensor, int, Tensor], LossAndGradient]
"""From w (L, p), a step and who has diverged (L,) to the learners there, on the step's minibatch.
"""


class PeriodEnd(NamedTuple):
    """Where the learners are after a period."""

    w: Tensor
    """Shape (L, p)."""
    current: LossAndGradient
    """At w, on the minibatch of the next period's first step."""


def run_period_steps(
    optimizee: Optimizee,
    state: EpisodeState,
    direction: Callable[[Tensor, Tensor], Tensor],
    visit: Callable[[LossAndGradient], object],
    *,
    n_steps: int,
    rate: Rate,
    score: Score,
    measure: Measure | None = None,
) -> PeriodEnd:
    """Take S = `n_steps` steps from `state`.

    Args:
        direction: from w_{t−1} and g_t to d_t, all (L, p); called once a step.
        visit: takes each of the S scored losses and gradients in turn.
        rate: α and its schedule, which counts from the beginning of the episode.
        score: which losses are scored; see `meta_trainer.estimators.tbptt`.
        measure: gives the gradients that learners move by; `measure_learners` if None.
    """
    measure = measure or partial(measure_learners, optimizee)
    w = state.w
    current = state.current
    shares = rate.shares(optimizee.shapes, w)

    for step in range(state.step, state.step + n_steps):
        w = moved_parameters(w, direction(w, current.gradient), rate, step, shares)
        following = measure(w, step + 1, current.diverged)

        if score == "next":
            visit(following)
        elif score == "pre":
            visit(current)
        else:
            visit(measure_learners(optimizee, w, step, current.diverged))

        current = following

    return PeriodEnd(w, current)
