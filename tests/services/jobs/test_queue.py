"""The queue: order, limits, places, and the estimate of when a job starts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.container import Container
from services.database.base import Database
from services.jobs.waiting_times import estimate_waits
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.support import PlayedExecutor, Stage

seconds = st.floats(min_value=0, max_value=1e6)


def limited(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor, **limits: Any
) -> None:
    """Give the stage a reconciler with other limits."""
    stage.reconciler = Reconciler(
        settings.model_copy(update=limits), database, stage.registry, executor
    )


def test_the_highest_priority_starts_first_and_of_equal_ones_the_oldest(stage: Stage) -> None:
    jobs = [stage.submit(priority=priority) for priority in (0, 5, -1, 5)]
    assert [stage.job(job)["queue_position"] for job in jobs] == [3, 1, 4, 2]
    started = []
    for _ in jobs:
        stage.tick()
        started += [job for job in jobs if stage.state(job) == "starting"]
        stage.finish(started[-1], "succeeded")
        stage.tick()
        started += [job for job in jobs if stage.state(job) == "starting"]
    assert list(dict.fromkeys(started)) == [jobs[1], jobs[3], jobs[0], jobs[2]]


def test_priority_can_be_changed_while_a_job_waits(stage: Stage) -> None:
    first = stage.submit()
    second = stage.submit()
    assert (
        stage.client.patch(f"/v1/jobs/{second}", json={"priority": 1}).json()["queue_position"] == 1
    )
    stage.tick()
    assert (stage.state(first), stage.state(second)) == ("queued", "starting")


def test_jobs_of_a_key_at_its_limit_let_others_pass(
    stage: Stage,
    services: Container,
    settings: Settings,
    database: Database,
    executor: PlayedExecutor,
) -> None:
    limited(stage, settings, database, executor, max_running_jobs=3, max_running_jobs_per_key=1)
    mine = [stage.submit(priority=9) for _ in range(3)]
    other = services.api_keys.create("other", ["submit"]).key
    answer = stage.client.post(
        "/v1/jobs",
        json={"kind": "meta-training", "spec": {"preset": "quick"}},
        headers={"Authorization": f"Bearer {other}"},
    )
    theirs = answer.json()["id"]
    stage.tick(3)
    assert [stage.state(job) for job in (*mine, theirs)] == [
        "starting",
        "queued",
        "queued",
        "starting",
    ]
    stage.finish(mine[0], "succeeded")
    stage.tick(2)
    assert [stage.state(job) for job in (*mine, theirs)] == [
        "succeeded",
        "starting",
        "queued",
        "starting",
    ]


def test_a_job_tells_when_it_may_start(stage: Stage) -> None:
    running, first, second = (stage.submit() for _ in range(3))
    stage.tick()
    stage.drive(
        running, ("started", {}), ("progress", {"update": 1, "n_updates": 4, "eta_seconds": 90.0})
    )
    stage.tick()
    assert stage.job(running)["starts_in_seconds"] is None
    assert stage.job(first)["starts_in_seconds"] == 90.0
    assert (
        stage.job(second)["starts_in_seconds"] is None
    )  # no job has ended yet: who knows how long one takes
    stage.finish(running, "succeeded")
    stage.tick()
    waits = [stage.job(job)["starts_in_seconds"] for job in (first, second)]
    listed = {
        job["id"]: job["starts_in_seconds"] for job in stage.client.get("/v1/jobs").json()["items"]
    }
    assert waits[0] == listed[first] == 0.0
    assert waits[1] == listed[second] > 0.0


@given(st.integers(0, 12), st.lists(seconds, max_size=6), st.integers(1, 4), seconds)
def test_waits_are_those_of_a_simulated_queue(
    n_places: int, remaining: list[float], n_slots: int, typical: float
) -> None:
    free_at = [*remaining[:n_slots], *[0.0] * (n_slots - len(remaining))]
    expected = []
    for _ in range(n_places):
        slot = min(range(n_slots), key=free_at.__getitem__)
        expected.append(free_at[slot])
        free_at[slot] += typical
    assert estimate_waits(n_places, remaining, n_slots, typical) == expected
    assert expected == sorted(expected)


@pytest.mark.parametrize(
    ("remaining", "n_slots", "typical", "waits"),
    [
        ([], 1, None, [0.0, None]),
        ([None], 1, None, [None, None]),
        ([None, 30.0], 2, None, [30.0, None]),
        ([None], 1, 60.0, [30.0, 90.0]),
        ([], 2, 10.0, [0.0, 0.0]),
    ],
)
def test_what_is_not_known_is_not_told(
    remaining: list[float | None], n_slots: int, typical: float | None, waits: list[float | None]
) -> None:
    assert estimate_waits(2, remaining, n_slots, typical) == waits
    assert math.inf not in estimate_waits(9, remaining, n_slots, typical)


def submit_as(stage: Stage, key: str, n: int = 1) -> list[str]:
    """The jobs of another key."""
    own = stage.client.headers["Authorization"]
    stage.client.headers["Authorization"] = f"Bearer {key}"
    jobs = [stage.submit() for _ in range(n)]
    stage.client.headers["Authorization"] = own
    return jobs


def run_all(stage: Stage, jobs: list[str]) -> list[str]:
    """Let the jobs run to their ends; the order in which they started."""
    started: list[str] = []
    while len(started) < len(jobs):
        stage.tick()
        running = [job for job in jobs if stage.state(job) == "starting"]
        started += [job for job in running if job not in started]
        for job in running:
            stage.finish(job, "succeeded")
    return started


@pytest.mark.slow
def test_keys_take_turns(stage: Stage, services: Container) -> None:
    keys = [services.api_keys.create(name, ["submit"]).key for name in "abc"]
    many = submit_as(stage, keys[0], 4)
    some = submit_as(stage, keys[1], 2)
    one = submit_as(stage, keys[2])
    jobs = [*many, *some, *one]
    expected = [many[0], some[0], one[0], many[1], some[1], many[2], many[3]]
    places = {job: stage.job(job)["queue_position"] for job in jobs}
    assert sorted(jobs, key=places.__getitem__) == expected
    listed = stage.client.get("/v1/jobs").json()["items"]
    assert {job["id"]: job["queue_position"] for job in listed} == places
    assert run_all(stage, jobs) == expected


def test_a_key_that_was_served_long_ago_is_before_one_that_was_just_now(
    stage: Stage, services: Container
) -> None:
    keys = [services.api_keys.create(name, ["submit"]).key for name in "ab"]
    run_all(stage, submit_as(stage, keys[0]))
    run_all(stage, submit_as(stage, keys[1]))
    late = submit_as(stage, keys[1])
    early = submit_as(stage, keys[0])
    assert [stage.job(job)["queue_position"] for job in (*late, *early)] == [2, 1]
    assert run_all(stage, [*late, *early]) == [*early, *late]


def test_the_key_with_fewer_active_jobs_is_next(
    stage: Stage,
    services: Container,
    settings: Settings,
    database: Database,
    executor: PlayedExecutor,
) -> None:
    limited(stage, settings, database, executor, max_running_jobs=3)
    keys = [services.api_keys.create(name, ["submit"]).key for name in "ab"]
    many = submit_as(stage, keys[0], 5)
    stage.tick()
    assert [stage.state(job) for job in many] == ["starting"] * 3 + ["queued"] * 2
    theirs = submit_as(stage, keys[1], 3)
    waiting = [*many[3:], *theirs]
    places = {job: stage.job(job)["queue_position"] for job in waiting}
    assert sorted(waiting, key=places.__getitem__) == [*theirs, *many[3:]]
    for job in many[:2]:
        stage.finish(job, "succeeded")
    stage.tick(2)
    assert [stage.state(job) for job in theirs] == ["starting", "queued", "queued"]
    assert [stage.state(job) for job in many[3:]] == ["starting", "queued"]  # one active each


def test_without_turns_the_oldest_is_next(
    stage: Stage,
    services: Container,
    settings: Settings,
    database: Database,
    executor: PlayedExecutor,
) -> None:
    limited(stage, settings, database, executor, queue_order="oldest")
    many = [stage.submit() for _ in range(2)]
    other = services.api_keys.create("b", ["submit"]).key
    theirs = submit_as(stage, other)
    assert run_all(stage, [*many, *theirs]) == [*many, *theirs]
