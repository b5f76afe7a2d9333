"""Periods of unlike length: what waiting for the slowest costs, and what `staleness` saves of it.

Chunk c begins its period i at

    b(c, i) = max(b(c, i − 1) + d(c, i − 1), V(i − s)),    V(u + 1) = max_c (b(c, u) + d(c, u)) + D

where d are the lengths of periods, V(u) is the moment of Θ after u updates, s the staleness and D
what the coordinator adds to an update. It is the rule of `meta_trainer.training.running_ahead`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

N_UPDATES: Final = 400


def compute_efficiency(
    n_workers: int, spread: float, staleness: int, added_seconds: float, seed: int = 0
) -> float:
    """Share of the workers' time that is work, where a period takes a second on average.

    Args:
        spread: standard deviation of the logarithm of a period's length.
    """
    generator = np.random.default_rng(seed)
    shape = (N_UPDATES, n_workers)
    lengths = np.exp(spread * generator.standard_normal(shape) - spread**2 / 2)
    moments = np.zeros(N_UPDATES + 1)
    free_from = np.zeros(n_workers)
    for update in range(N_UPDATES):
        begins = np.maximum(free_from, moments[max(0, update - staleness)])
        free_from = begins + lengths[update]
        moments[update + 1] = max(free_from.max(), moments[update]) + added_seconds
    return float(lengths.sum() / (n_workers * moments[-1]))
