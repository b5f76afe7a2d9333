"""Which update of Θ belongs to which period of which episode, when episodes differ in length.

One length is drawn for an episode and holds for all its chunks: they begin and end together, so that between two
episodes there is a moment without any state, at which Θ is validated and checkpoints are small. All lengths follow from
the seed, so a resumed job finds its place by the number of updates alone.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import torch

from meta_trainer.seeds import generator


class Place(NamedTuple):
    """Where an update stands."""

    episode: int
    period: int
    """Periods of the episode that are done before it."""


class Timeline:
    """The lengths of all episodes of a job, in periods."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths
        self._ends = list(accumulate(lengths))

    @property
    def n_updates(self) -> int:
        """Updates of Θ in all."""
        return self._ends[-1]

    def locate(self, update: int) -> Place:
        """The place of an update, counted from 0; `n_updates` stands at the beginning of an episode that is not run."""
        episode = bisect_right(self._ends, update)
        return Place(episode, update - (self._ends[episode - 1] if episode else 0))


@lru_cache(maxsize=16)
def timeline(seed: int, n_episodes: int, shortest: int, longest: int) -> Timeline:
    """Episodes of `shortest` to `longest` periods, log-uniform: k with probability ~ log((k + 1) / k)."""
    if shortest == longest:
        return Timeline([shortest] * n_episodes)
    draws = torch.rand(n_episodes, generator=generator(seed, "training/horizon"), dtype=torch.float64)
    lengths = (shortest * ((longest + 1) / shortest) ** draws).floor().clamp(max=longest)
    return Timeline([int(length) for length in lengths.tolist()])
