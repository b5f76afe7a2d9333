"""Which update of Θ belongs to which period of which episode, when episodes differ in length.

One length is drawn for an episode and holds for all its chunks: they begin and end together, so
that between two episodes there is a moment without any state, at which Θ is validated and
checkpoints are small. All lengths follow from the seed, so a resumed job finds its place by the
number of updates alone.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import torch

from meta_trainer.seeds import make_generator


class Place(NamedTuple):
    """Where an update stands."""

    episode: int
    period: int
    """Periods of the episode that are done before it."""


class Timeline:
    """The lengths of all episodes of a job."""

    def __init__(self, lengths: list[int], horizons: list[int] | None = None) -> None:
        """
        Args:
            lengths: in periods.
            horizons: in steps; None: periods of one step.
        """
        self.lengths = lengths
        self.horizons = horizons or lengths
        self._ends = list(accumulate(lengths))

    @property
    def n_updates(self) -> int:
        """Updates of Θ in all."""
        return self._ends[-1]

    def locate(self, update: int) -> Place:
        """The place of an update, counted from 0; `n_updates` stands at the beginning of an episode
        that is not run."""
        episode = bisect_right(self._ends, update)
        return Place(episode, update - self.updates_before(episode))

    def begun(self, update: int) -> int:
        """Episodes that have begun before an update: those that are done, and the one under way."""
        episode, period = self.locate(update)
        return episode + (period > 0)

    def updates_before(self, episode: int) -> int:
        """Updates of the episodes before this one."""
        return self._ends[episode - 1] if episode else 0


@lru_cache(maxsize=16)
def timeline(
    seed: int,
    n_episodes: int,
    shortest: int,
    longest: int,
    *,
    period: int | None = 1,
    curriculum: tuple[int, float] | None = None,
) -> Timeline:
    """Episodes of `shortest` to `longest` steps, log-uniform: k periods with probability ~ log((k +
    1) / k).

    Args:
        shortest: in steps, like `longest`; both multiples of the period.
        period: steps of one; None: each episode is one period, of any number of steps.
        curriculum: longest horizon of the first episode, and the share of the episodes over which
            it grows to `longest`, by a constant factor from each to the next. Until it has reached
            `shortest`, no horizon is drawn.
    """
    unit = period or 1
    highest = longest // unit
    lengths = [highest] * n_episodes
    if curriculum:
        initial, share = curriculum
        n_growing = max(1, round(share * n_episodes))
        first = min(max(1, initial // unit), highest)
        lengths[:n_growing] = _grow(first, highest, n_growing)

    if shortest < longest:
        generator = make_generator(seed, "training/horizon")
        draws = torch.rand(n_episodes, generator=generator, dtype=torch.float64).tolist()
        lowest = shortest // unit
        lengths = [
            _draw_log_uniform(min(lowest, bound), bound, u)
            for bound, u in zip(lengths, draws, strict=True)
        ]

    horizons = [length * unit for length in lengths]
    return Timeline(lengths if period else [1] * n_episodes, horizons)


def _grow(first: int, last: int, n: int) -> list[int]:
    """n whole numbers that rise from `first` towards `last` by a constant factor."""
    numbers = [first * (last / first) ** (i / n) for i in range(n)]
    return [int(number + 1e-9) for number in numbers]  # one just missed is that number


def _draw_log_uniform(low: int, high: int, u: float) -> int:
    """
    Args:
        u: uniform in [0, 1).
    """
    return min(high, int(low * ((high + 1) / low) ** u))
