"""Several processes on one new store: first connection, runs, versions, aliases."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry import MetricPoint, Registry, connect
from tests.registry.racers import Outcome, race

PROCESSES = 3
ROUNDS = 4

pytestmark = pytest.mark.slow


def check_race(uri: str, location: str) -> None:
    """Race, then read what is there."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        barrier = manager.Barrier(PROCESSES)
        futures = [
            pool.submit(race, uri, location, barrier, index, ROUNDS) for index in range(PROCESSES)
        ]
        outcomes = [future.result(timeout=110) for future in futures]
    with closing(connect(uri, location)) as registry:
        check_outcomes(registry, outcomes)


def check_outcomes(registry: Registry, outcomes: list[Outcome]) -> None:
    """All saw the same run and versions, numbers have no gap, the alias's history is one chain."""
    assert {frozenset(runs) for runs, _, _ in outcomes} == {
        frozenset({registry.open_run("shared", name="")})
    }
    assert len({tuple(shared) for _, shared, _ in outcomes}) == 1
    numbers = {*outcomes[0][1], *(own for _, _, own in outcomes)}
    assert numbers == set(range(1, ROUNDS + PROCESSES + 1))
    assert [v.number for v in registry.versions("mlp")] == sorted(numbers, reverse=True)
    history = registry.alias_history("mlp")
    assert [c.old_version for c in history] == [None, *(c.new_version for c in history[:-1])]
    assert registry.version("mlp", "champion").number == history[-1].new_version
    assert {c.actor for c in history} == {f"process-{index}" for index in range(PROCESSES)}


def test_on_sqlite(tmp_path: Path) -> None:
    check_race(f"sqlite:///{tmp_path}/new/registry.db", "")


def test_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    check_race(postgres_url, str(tmp_path))


def read_in_a_fork(
    registry: Registry, run: str, results: multiprocessing.SimpleQueue[list[float]]
) -> None:
    registry.put_artifact(run, "from-the-child", b"1")
    results.put([p.value for p in registry.metrics(run, "a")])


def test_a_forked_child_has_connections_of_its_own(postgres_url: str, tmp_path: Path) -> None:
    registry = connect(postgres_url, str(tmp_path))
    run = registry.open_run("job_1", name="")
    registry.log_metrics(run, [MetricPoint(name="a", value=1.5, step=0, time=datetime.now(UTC))])
    context = multiprocessing.get_context("fork")
    results: multiprocessing.SimpleQueue[list[float]] = context.SimpleQueue()
    children = [
        context.Process(target=read_in_a_fork, args=(registry, run, results)) for _ in range(2)
    ]
    for child in children:
        child.start()
    parent = [p.value for _ in range(20) for p in registry.metrics(run, "a")]
    for child in children:
        child.join(timeout=60)
    assert [child.exitcode for child in children] == [0, 0]
    assert [results.get(), results.get(), parent] == [[1.5], [1.5], [1.5] * 20]
    registry.close()
