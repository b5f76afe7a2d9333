"""Updates that wait for their slowest chunk, while others run ahead on an older Θ.

With a `staleness` of s, a branch that has done period i while others are still at it goes on with
period i + 1, and further, at the newest Θ there is: that after update j, where i + 1 − j ≤ s.
Update i is made of period i of every chunk, in the order of the chunks, as always. So it depends on
clocks in one thing only: how old the Θ of each period was. That is the log, one number for each
update and chunk. With it, a training is repeated bit for bit by any runner.

A training that was interrupted goes on from its checkpoint with the newest Θ: what had run ahead is
done again, and the log says so.

Source: stale synchronous parallel, Ho et al., *More Effective Distributed ML via a Stale
Synchronous Parallel Parameter Server*, NeurIPS 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor

from meta_trainer.runners import Agents, Handle, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.timeline import Place
from meta_trainer.training.branches import Branch, Course, PackedOutcomes
from meta_trainer.training.episode import Episodes
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.units import PeriodOutcome
from meta_trainer.unrolls.episodes import EpisodeState


@dataclass
class _Progress:
    """How far a branch has come."""

    chunks: range
    n_begun: int = 0
    """Periods, of all episodes."""
    is_busy: bool = False
    start: Handle = None
    """States that were restored; None: at the beginning of an episode."""
    courses: dict[int, Course] = field(default_factory=dict)
    """By episode: the newest, and those that a checkpoint may still be made in."""
    outcomes: dict[int, list[PeriodOutcome]] = field(default_factory=dict)
    """By update: what its period gave, until the update is made."""
    staleness: dict[int, int] = field(default_factory=dict)


class RunningAhead(Episodes):
    """Branches that run ahead of each other by a bounded number of updates."""

    def __init__(
        self,
        runner: Runner,
        job: JobHandles,
        spec: MetaTrainingSpec,
        branches: Sequence[range],
        log: Tensor | None = None,
    ) -> None:
        """
        Args:
            log: `staleness` of a training of this spec, which is repeated; shape (updates, chunks).
        """
        self._runner = runner
        self._spec = spec
        self._log = log
        self._job = job
        self._branches = [_Progress(chunks) for chunks in branches]
        self._update = 0
        """Updates of Θ that are made."""
        self._thetas: dict[int, Handle] = {}
        """Θ after so many updates; the newest ones."""
        self._rows: list[list[int]] = []

    def run_period(
        self,
        theta: Tensor,  # shape: (n_theta,)
        place: Place,
    ) -> list[PeriodOutcome]:
        update = self._update
        assert self._spec.timeline.locate(update) == place
        self._thetas[update] = self._runner.put(theta)
        self._thetas.pop(update - self._spec.staleness - 1, None)
        while True:
            for position in range(len(self._branches)):
                self._begin_period(position)
            self._collect()
            if all(update in branch.outcomes for branch in self._branches):
                return self._take_outcomes(update)

    def fetch_states(self) -> tuple[EpisodeState, ...]:
        """Waits for all that run ahead."""
        while any(branch.is_busy for branch in self._branches):
            self._collect()
        place = self._spec.timeline.locate(self._update)
        courses = [(branch.courses[place.episode].cut(place.period),) for branch in self._branches]
        return tuple(chain.from_iterable(self._agents.ask("fetch_states", courses)))

    def restore(
        self, update: int, states: Sequence[EpisodeState], staleness: Tensor | None
    ) -> None:
        self.__dict__.pop("_agents", None)  # they remember what is undone
        self._update = update
        self._rows = [[0] * self._spec.n_chunks for _ in range(update)]
        if staleness is not None and len(staleness) == update:
            self._rows = staleness.tolist()
        self._branches = [_Progress(branch.chunks, n_begun=update) for branch in self._branches]
        for branch in self._branches:
            if states:
                own = [states[chunk] for chunk in branch.chunks]
                branch.start = self._runner.put(own)

    @cached_property
    def _agents(self) -> Agents:
        n_kept = self._spec.staleness + 2
        arguments = [(self._job, branch.chunks, n_kept) for branch in self._branches]
        return self._runner.employ(Branch, arguments)

    @property
    def staleness(self) -> Tensor:
        shape = (len(self._rows), self._spec.n_chunks)
        return torch.tensor(self._rows, dtype=torch.uint8).reshape(shape)

    def _begin_period(self, position: int) -> None:
        """The next one of an idle branch, if there is a Θ that is new enough."""
        branch = self._branches[position]
        period = branch.n_begun
        version = self._choose_version(branch)
        if branch.is_busy or period >= self._spec.n_updates or version is None:
            return

        place = self._spec.timeline.locate(period)
        course = branch.courses.get(place.episode)
        if course is None:
            course = Course(place.episode, place.period, branch.start, ())
            branch.start = None
        course = course.extend(self._thetas[version])
        branch.courses[place.episode] = course
        branch.staleness[period] = period - version
        branch.n_begun += 1
        branch.is_busy = True
        self._agents.begin(position, "run_period", (course,))

    def _choose_version(self, branch: _Progress) -> int | None:
        """Of Θ for the next period of a branch; None: it has to wait for a newer one."""
        period = branch.n_begun
        if self._log is None or period >= len(self._log):
            is_new_enough = period - self._update <= self._spec.staleness
            return self._update if is_new_enough else None
        version = period - int(self._log[period, branch.chunks[0]])
        return version if version <= self._update else None

    def _collect(self) -> None:
        for position, packed in self._agents.collect():
            assert isinstance(packed, PackedOutcomes)
            branch = self._branches[position]
            branch.is_busy = False
            branch.outcomes[branch.n_begun - 1] = packed.unpack()

    def _take_outcomes(self, update: int) -> list[PeriodOutcome]:
        """What the update is made of; what is older is forgotten."""
        self._update += 1
        episode = self._spec.timeline.locate(update).episode
        row: list[int] = []
        outcomes: list[PeriodOutcome] = []
        for branch in self._branches:
            row += [branch.staleness.pop(update)] * len(branch.chunks)
            outcomes += branch.outcomes.pop(update)
            branch.courses.pop(episode - 1, None)
        self._rows.append(row)
        return outcomes
