"""What streams cost the job store: one query for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest
from sqlalchemy import event

from services.database.base import Database
from services.jobs.tails import GONE, Tails
from tests.services.support import Stage


@pytest.fixture
def queries(database: Database) -> Iterator[list[str]]:
    """The statements that the job store was asked."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_hundred_streams_are_one_query(
    stage: Stage, database: Database, queries: list[str]
) -> None:
    jobs = [stage.submit() for _ in range(3)]
    stage.act(jobs[0], "pause")
    tails = Tails(database, max_age_seconds=60)
    newest_ids = []

    async def look(job: str) -> None:
        newest_ids.append((job, await tails.find_newest(job)))

    async def play() -> None:
        with (
            tails.follow(jobs[0], "red"),
            tails.follow(jobs[1], "red"),
            tails.follow(jobs[1], "red"),
        ):
            queries.clear()
            async with anyio.create_task_group() as group:
                for number in range(100):
                    group.start_soon(look, jobs[number % 2])

    anyio.run(play)
    assert len([statement for statement in queries if statement.startswith("SELECT")]) == 1
    assert set(newest_ids) == {(jobs[0], 1), (jobs[1], 0)}


def test_what_is_new_is_seen_when_what_was_known_is_old(stage: Stage, database: Database) -> None:
    job = stage.submit()
    tails = Tails(database, max_age_seconds=0)

    async def play() -> list[int | None]:
        with tails.follow(job, "red"):
            first = await tails.find_newest(job)
            stage.act(job, "pause")
            second = await tails.find_newest(job)
            stage.act(job, "cancel")
            assert stage.client.delete(f"/v1/jobs/{job}").status_code == 204
            return [first, second, await tails.find_newest(job)]

    assert anyio.run(play) == [0, 1, GONE]


def test_a_job_that_was_not_followed_at_the_last_look_is_not_known(
    stage: Stage, database: Database
) -> None:
    one = stage.submit()
    other = stage.submit()
    tails = Tails(database, max_age_seconds=60)

    async def play() -> tuple[int | None, int | None]:
        with tails.follow(one, "red"):
            return await tails.find_newest(one), await tails.find_newest(other)

    assert anyio.run(play) == (0, None)


def test_streams_are_counted_while_they_are_open(database: Database) -> None:
    tails = Tails(database)
    with tails.follow("a", "red"), tails.follow("a", "red"), tails.follow("b", "red"):
        assert tails.n_streams == 3
    assert tails.n_streams == 0
