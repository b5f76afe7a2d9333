"""Large jobs in branches: neighbouring chunks, whose periods an agent near their workers hands out.

What a branch gives is what each of its chunks gave, in their order. So the coordinator adds the
same gradients in the same order as without branches, and Θ has the same bits. It only begins fewer
calls, and takes fewer and larger messages (docs/scaling.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from meta_trainer.runners import Handle, Runner
from meta_trainer.specs.timeline import Place
from meta_trainer.training.episode import Episodes, run_chunks
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.units import PeriodOutcome
from meta_trainer.unrolls.episodes import EpisodeState


class Course(NamedTuple):
    """How far an episode has come, and all that its states can be made from."""

    episode: int
    first_period: int
    """That `thetas` begin with."""
    start: Handle
    """States before it, of each chunk of the branch; None at the beginning of the episode."""
    thetas: tuple[Handle, ...]
    """Of each period from then on."""

    @property
    def n_periods(self) -> int:
        """Periods of the episode that the course leads through."""
        return self.first_period + len(self.thetas)

    def extend(self, theta: Handle) -> Course:
        """One period further, at this Θ."""
        return self._replace(thetas=(*self.thetas, theta))

    def cut(self, n_periods: int) -> Course:
        """Its beginning, to the end of so many periods of the episode."""
        return self._replace(thetas=self.thetas[: n_periods - self.first_period])


class PackedOutcomes(NamedTuple):
    """Outcomes of several chunks as one message: each tensor has a first dimension for chunks."""

    gradient: Tensor
    losses: Tensor
    slopes: tuple[Tensor, ...]

    @classmethod
    def pack(cls, outcomes: Sequence[PeriodOutcome]) -> PackedOutcomes:
        slopes = zip(*(outcome.slopes for outcome in outcomes), strict=True)
        return cls(
            torch.stack([outcome.gradient for outcome in outcomes]),
            torch.stack([outcome.losses for outcome in outcomes]),
            tuple(torch.stack(parts) for parts in slopes),
        )

    def unpack(self) -> list[PeriodOutcome]:
        gradients = self.gradient.unbind()
        losses = self.losses.unbind()
        slopes = [parts.unbind() for parts in self.slopes]
        return [
            PeriodOutcome(gradients[place], losses[place], tuple(parts[place] for parts in slopes))
            for place in range(len(gradients))
        ]


class Branch:
    """Some chunks of a job, where an agent lives.

    It remembers their newest states. A new one, in place of one that was lost, makes them again
    from the course that it is asked with.
    """

    def __init__(
        self, runner: Runner, job: JobHandles, chunks: Sequence[int], n_kept: int = 1
    ) -> None:
        """
        Args:
            n_kept: of the newest periods, states that are remembered.
        """
        self._runner = runner
        self._job = job
        self._chunks = chunks
        self._n_kept = n_kept
        self._states: dict[tuple[int, int], list[Handle]] = {}
        """By episode, and periods of it that they have behind them."""

    def run_period(self, course: Course) -> PackedOutcomes:
        """The last period of the course."""
        before = course.cut(course.n_periods - 1)
        return PackedOutcomes.pack(self._go_on(course, self._reach(before)))

    def fetch_states(self, course: Course) -> tuple[EpisodeState, ...]:
        """The states of the chunks at the end of the course."""
        return tuple(self._runner.get(self._reach(course)))

    def _reach(self, course: Course) -> list[Handle]:
        """The states of the end of the course."""
        n_periods = course.n_periods
        while n_periods > course.first_period and (course.episode, n_periods) not in self._states:
            n_periods -= 1
        states = self._states.get((course.episode, n_periods))
        if states is None:
            states = self._begin(course)
        for n_done in range(n_periods, course.n_periods):
            self._go_on(course.cut(n_done + 1), states)
            states = self._states[course.episode, n_done + 1]
        return states

    def _begin(self, course: Course) -> list[Handle]:
        if course.start is None:
            return [None] * len(self._chunks)
        [states] = self._runner.get([course.start])
        return [self._runner.put(state) for state in states]

    def _go_on(self, course: Course, states: list[Handle]) -> list[PeriodOutcome]:
        """The last period of the course, from the states before it."""
        outcomes, states = run_chunks(
            self._runner, self._job, course.thetas[-1], course.episode, self._chunks, states
        )
        self._states[course.episode, course.n_periods] = states
        while len(self._states) > self._n_kept:
            del self._states[next(iter(self._states))]
        return outcomes


class BranchedEpisode(Episodes):
    """As `EpisodeUnderWay`, by agents."""

    def __init__(self, runner: Runner, job: JobHandles, branches: Sequence[range]) -> None:
        self._runner = runner
        self._branches = branches
        self._agents = runner.employ(Branch, [(job, chunks) for chunks in branches])
        self._starts: list[Handle] = [None] * len(branches)
        self._course = Course(0, 0, None, ())

    def run_period(
        self,
        theta: Tensor,  # shape: (n_theta,)
        place: Place,
    ) -> list[PeriodOutcome]:
        if place.period == 0:
            self._starts = [None] * len(self._branches)
        if place.period == 0 or not self._course.thetas:
            self._course = Course(place.episode, place.period, None, ())

        course = self._course.extend(self._runner.put(theta))
        answers = self._agents.ask("run_period", self._give_starts(course))
        self._course = course
        return [outcome for packed in answers for outcome in packed.unpack()]

    def fetch_states(self) -> tuple[EpisodeState, ...]:
        if not self._course.thetas:  # none since they were restored
            return tuple(chain.from_iterable(self._runner.get(self._starts)))
        answers = self._agents.ask("fetch_states", self._give_starts(self._course))
        return tuple(chain.from_iterable(answers))

    def restore(
        self, update: int, states: Sequence[EpisodeState], staleness: Tensor | None
    ) -> None:
        del update, staleness
        if states:
            self._starts = [
                self._runner.put([states[chunk] for chunk in chunks]) for chunks in self._branches
            ]
            self._course = Course(0, 0, None, ())

    def _give_starts(self, course: Course) -> list[tuple[Course]]:
        return [(course._replace(start=start),) for start in self._starts]


def cut_branches(n_chunks: int, branch_size: int) -> list[range]:
    firsts = range(0, n_chunks, branch_size)
    return [range(first, min(first + branch_size, n_chunks)) for first in firsts]
