"""Projects take turns: however much one has queued, another waits for one free slot at most."""

from __future__ import annotations

from services.container import Container
from services.database.base import Database
from services.jobs.tables import Job
from services.settings import Settings
from tests.services.projects.conftest import Team, make_team
from tests.services.support import Stage


def queue_many(database: Database, job_id: str, n_jobs: int) -> None:
    """Copies of a queued job, as if they had been submitted one by one."""
    with database.write() as session:
        original = session.query(Job).filter_by(id=job_id).one()
        columns = [
            column.key for column in Job.__table__.columns if column.key not in ("seq", "id")
        ]
        for number in range(n_jobs):
            values = {name: getattr(original, name) for name in columns}
            session.add(Job(id=f"job_copy{number:03d}", **values))


def test_two_hundred_jobs_delay_anothers_one_by_one_slot(
    red: Team, blue: Team, stage: Stage, database: Database
) -> None:
    first = red.submit().json()["id"]
    stage.tick(2)
    second = red.ask("POST", f"/v1/jobs/{first}/clone", json={"priority": 100}).json()["id"]
    queue_many(database, second, 199)
    one = blue.submit().json()
    assert one["queue_position"] == 1
    assert stage.state(first) == "starting"
    stage.finish(first, "succeeded")
    stage.tick(2)
    assert stage.state(one["id"]) == "starting"
    assert stage.job(second)["queue_position"] == 1
    late = blue.submit().json()
    assert late["queue_position"] == 2
    stage.finish(one["id"], "succeeded")
    stage.tick(2)
    assert stage.state(late["id"]) == "queued"  # a turn of red's
    assert stage.job(late["id"])["queue_position"] == 1


def test_many_keys_of_a_project_are_one_turn(
    red: Team, blue: Team, stage: Stage, services: Container
) -> None:
    busy = red.submit().json()["id"]
    stage.tick(2)
    others = [make_team(stage.client, services, "red") for _ in range(3)]
    theirs = [team.submit().json()["id"] for team in others]
    one = blue.submit().json()
    assert one["queue_position"] == 1
    stage.finish(busy, "succeeded")
    stage.tick(2)
    assert stage.state(one["id"]) == "starting"
    assert [stage.state(job) for job in theirs] == ["queued"] * 3


def test_the_places_are_those_in_which_jobs_start(
    red: Team, blue: Team, stage: Stage, settings: Settings
) -> None:
    assert settings.queue_order == "fair"
    jobs = [red.submit().json()["id"] for _ in range(3)]
    jobs += [blue.submit().json()["id"] for _ in range(2)]
    jobs.append(stage.submit())
    places = {job: stage.job(job)["queue_position"] for job in jobs}
    started: list[str] = []
    while len(started) < len(jobs):
        stage.tick(2)
        [running] = [job for job in jobs if stage.state(job) == "starting"]
        started.append(running)
        stage.finish(running, "succeeded")
    assert sorted(jobs, key=places.__getitem__) == started
