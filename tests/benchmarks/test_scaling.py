"""The model of docs/scaling.md: its sums, its branches, and its rule of running ahead."""

from __future__ import annotations

import pytest

from benchmarks.scaling import (
    CHUNK_BYTES,
    NETWORK_BYTES_PER_SECOND,
    RayCosts,
    choose_branch_size,
    measure_agent,
    measure_loop,
    simulate,
)
from benchmarks.uneven import compute_efficiency


def test_a_branch_is_about_as_large_as_there_are_branches() -> None:
    sizes = {n: choose_branch_size(n) for n in (63, 64, 65, 1024)}
    assert sizes == {63: None, 64: 8, 65: 9, 1024: 32}


def test_costs_are_added_as_the_page_says() -> None:
    ray = RayCosts(call=0.001, question=0.002, branch_size=8, hop=0.003)
    update = simulate(64, 8, ray, 8 * 0.0001)
    assert update.of_coordinator == pytest.approx(8 * 0.002)
    assert update.of_agents == pytest.approx(8 * 0.0011)
    assert update.hops == pytest.approx(0.009)
    assert update.network == pytest.approx(64 * CHUNK_BYTES / NETWORK_BYTES_PER_SECOND)
    assert update.compute_efficiency(1.0) == pytest.approx(1 / (1 + update.added))
    one_by_one = simulate(64, None, ray, 8 * 0.0001)
    assert one_by_one.of_coordinator == pytest.approx(0.064)
    assert one_by_one.of_agents == 0


def test_branches_take_work_from_the_loop() -> None:
    """Of a real loop of 64 chunks, in processor time."""
    assert measure_loop(64, 8) < measure_loop(64, None)
    assert measure_agent(8) > 0


def test_even_periods_lose_what_the_coordinator_adds() -> None:
    assert compute_efficiency(16, 0.0, 0, 0.25) == pytest.approx(0.8)
    assert compute_efficiency(16, 0.0, 1, 0.25) > 0.99


def test_running_ahead_never_loses() -> None:
    efficiencies = [compute_efficiency(64, 0.2, staleness, 0.1) for staleness in (0, 1, 2, 4)]
    assert efficiencies == sorted(efficiencies)
    assert efficiencies[0] < 0.7 < efficiencies[-1]
