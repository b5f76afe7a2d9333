"""The episode under way: its periods are handed to the runner, its chunks' states stay there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from meta_trainer.runners import Handle, Runner
from meta_trainer.specs.timeline import Place
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.units import PeriodOutcome, run_period
from meta_trainer.unrolls.episodes import EpisodeState


class Episodes(ABC):
    """Runs one period after the other of every chunk of learners."""

    @abstractmethod
    def run_period(
        self,
        theta: Tensor,  # shape: (n_theta,)
        place: Place,
    ) -> list[PeriodOutcome]:
        """What an update is made of: one period of every chunk, in the order of the chunks."""

    @abstractmethod
    def fetch_states(self) -> tuple[EpisodeState, ...]:
        """The state of every chunk between two periods, for a checkpoint."""

    @abstractmethod
    def restore(
        self, update: int, states: Sequence[EpisodeState], staleness: Tensor | None
    ) -> None:
        """Go on from what a checkpoint after so many updates says; without states, at the beginning
        of an episode."""

    @property
    def staleness(self) -> Tensor | None:
        """How old the Θ of each period was (`meta_trainer.training.running_ahead`), shape (updates,
        chunks); None where every period takes the newest."""
        return None


class EpisodeUnderWay(Episodes):
    """All chunks at one Θ; every call is begun by this process.

    A runner makes a lost state again from the Θs of the episode's earlier periods. So their handles
    are held until the episode ends.
    """

    def __init__(self, runner: Runner, job: JobHandles, n_chunks: int) -> None:
        self._runner = runner
        self._job = job
        self._chunks = range(n_chunks)
        self._theta_handles: list[Handle] = []
        self._state_handles: list[Handle] = [None] * n_chunks

    def run_period(
        self,
        theta: Tensor,  # shape: (n_theta,)
        place: Place,
    ) -> list[PeriodOutcome]:
        """Should it fail, the states are those before the period."""
        if place.period == 0:
            self._theta_handles = []
            self._state_handles = [None] * len(self._chunks)

        theta_handle = self._runner.put(theta)
        self._theta_handles.append(theta_handle)
        outcomes, self._state_handles = run_chunks(
            self._runner, self._job, theta_handle, place.episode, self._chunks, self._state_handles
        )
        return outcomes

    def fetch_states(self) -> tuple[EpisodeState, ...]:
        return tuple(self._runner.get(self._state_handles))

    def restore(
        self, update: int, states: Sequence[EpisodeState], staleness: Tensor | None
    ) -> None:
        del update, staleness
        if states:
            self._state_handles = [self._runner.put(state) for state in states]


def run_chunks(
    runner: Runner,
    job: JobHandles,
    theta_handle: Handle,
    episode: int,
    chunks: Sequence[int],
    state_handles: Sequence[Handle],
) -> tuple[list[PeriodOutcome], list[Handle]]:
    """One period of these chunks: their outcomes, and the handles of their new states."""
    outcome_handles = []
    new_state_handles = []
    for chunk, state_handle in zip(chunks, state_handles, strict=True):
        outcome_handle, new_state_handle = runner.call(
            run_period,
            job.spec,
            job.source,
            theta_handle,
            episode,
            chunk,
            state_handle,
            job.kernel,
            n_returns=2,
        )
        outcome_handles.append(outcome_handle)
        new_state_handles.append(new_state_handle)
    outcomes = runner.get(outcome_handles)
    return [_without_poison(outcome) for outcome in outcomes], new_state_handles


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
