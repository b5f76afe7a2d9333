"""Walking L learners through one period, whatever becomes of their losses: w_t = (1 − α_t λ)
w_{t−1} − α_t d_t.

Each coordinate has its own share of α_t before d_t (`hyperadam.rates`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hyperadam.rates import Rate
from torch import Tensor

from meta_trainer.specs import Score
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState, Evaluation, evaluate


class Arrival(NamedTuple):
    """Where the learners are after a period."""

    w: Tensor
    """Shape (L, p)."""
    here: Evaluation


def walk(
    optimizee: Optimizee,
    state: EpisodeState,
    direction: Callable[[Tensor], Tensor],
    visit: Callable[[Evaluation], object],
    *,
    n_steps: int,
    rate: Rate,
    score: Score,
) -> Arrival:
    """Take S = `n_steps` steps from `state`.

    Args:
        direction: from g_t to d_t, both (L, p); called once a step.
        visit: takes each of the S scored evaluations in turn.
        rate: α and its schedule, which counts from the beginning of the episode.
        score: which losses are scored; see `meta_trainer.estimators.tbptt`.
    """
    w, here, shares = state.w, state.here, rate.shares(optimizee.shapes, state.w)
    for step in range(state.step, state.step + n_steps):
        d = direction(here.gradient)
        kept = w * rate.kept(step) if rate.weight_decay else w
        w = kept - rate.at(step) * (d if shares is None else d * shares)
        following = evaluate(optimizee, w, step + 1, here.diverged)
        if score == "next":
            visit(following)
        elif score == "pre":
            visit(here)
        else:
            visit(evaluate(optimizee, w, step, here.diverged))
        here = following
    return Arrival(w, here)
