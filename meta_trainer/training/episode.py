"""The episode under way: its periods are handed to the runner, its chunks' states stay there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from meta_trainer.runners import Handle, Runner
from meta_trainer.specs.timeline import Place
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.units import PeriodOutcome, run_period
from meta_trainer.unrolls.episodes import EpisodeState


class EpisodeUnderWay:
    """Runs one period after the other of every chunk of learners.

    A runner makes a lost state again from the Θs of the episode's earlier periods. So their handles
    are held until the episode ends.
    """

    def __init__(self, runner: Runner, job: JobHandles, n_chunks: int) -> None:
        self._runner = runner
        self._job = job
        self._n_chunks = n_chunks
        self._theta_handles: list[Handle] = []
        self._state_handles: list[Handle] = [None] * n_chunks

    def run_period(
        self,
        theta: Tensor,  # shape: (n_theta,)
        place: Place,
    ) -> list[PeriodOutcome]:
        """One period of every chunk, at one Θ; the outcomes are in the order of the chunks.

        Should it fail, the states are those before the period.
        """
        if place.period == 0:
            self._theta_handles = []
            self._state_handles = [None] * self._n_chunks

        theta_handle = self._runner.put(theta)
        self._theta_handles.append(theta_handle)

        outcome_handles = []
        new_state_handles = []
        for chunk, state_handle in enumerate(self._state_handles):
            outcome_handle, new_state_handle = self._runner.call(
                run_period,
                self._job.spec,
                self._job.source,
                theta_handle,
                place.episode,
                chunk,
                state_handle,
                self._job.kernel,
                n_returns=2,
            )
            outcome_handles.append(outcome_handle)
            new_state_handles.append(new_state_handle)

        outcomes = self._runner.get(outcome_handles)
        self._state_handles = new_state_handles
        return [_without_poison(outcome) for outcome in outcomes]

    def fetch_states(self) -> tuple[EpisodeState, ...]:
        """The state of every chunk between two periods, for a checkpoint."""
        return tuple(self._runner.get(self._state_handles))

    def restore_states(self, states: Sequence[EpisodeState]) -> None:
        """Go on from the states that `fetch_states` gave."""
        self._state_handles = [self._runner.put(state) for state in states]


def _without_poison(outcome: PeriodOutcome) -> PeriodOutcome:
    """The outcome; learners whose gradient is not finite count as diverged, and add nothing: all of
    the chunk where only their sum is known."""
    is_finite = outcome.gradient.isfinite().all(-1, keepdim=True)
    if is_finite.all():
        return outcome
    return outcome._replace(
        gradient=torch.where(is_finite, outcome.gradient, 0.0),
        losses=torch.where(is_finite.squeeze(-1), outcome.losses, torch.nan),
        slopes=tuple(torch.where(is_finite, slopes, 0.0) for slopes in outcome.slopes),
    )
