"""Clocks that were wrong, stores that are out, drivers that freeze, keys that were revoked: jobs
wait, nothing is spent, and it is said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from sqlalchemy import text, update

from meta_trainer.driver.heartbeat import alive_path
from registry import RegistryError
from registry.memory import InMemoryRegistry
from services.auth.tables import ApiKey
from services.container import Container
from services.database.base import Database, now
from services.health.checks import Examiner
from services.jobs import changes
from services.jobs.streams import stream_events
from services.reconciler import stalls, troubles
from services.reconciler.lease import LeaseHolder, LeaseWatch
from services.settings import Settings
from tests.services.support import Stage

YEAR = timedelta(days=365)


def refuse(*_: Any) -> None:
    raise RegistryError("files cannot be kept in /artifacts: Input/output error")


def test_a_lease_of_a_clock_that_was_ahead_is_taken(database: Database) -> None:
    ahead = LeaseHolder(database, 15, clock=lambda _: now() + YEAR)
    assert ahead.acquire("ok")
    assert "a clock was, or is, wrong" in LeaseWatch(database, 15).look().reconciler
    assert LeaseHolder(database, 15).acquire("ok")
    assert LeaseWatch(database, 15).look().reconciler == "ok"
    assert not LeaseHolder(database, 15).acquire("ok")


@pytest.mark.parametrize("ahead", [YEAR, timedelta(minutes=10)])
def test_a_job_that_a_clock_ahead_put_off_starts(
    stage: Stage, database: Database, ahead: timedelta
) -> None:
    job = stage.submit()
    with database.write() as session:
        row = changes.lock_job(session, job)
        assert row is not None
        row.retry_at = now() + ahead
    stage.tick()
    assert stage.state(job) == "starting"


def test_an_outage_of_the_files_spends_no_retries(
    stage: Stage, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "LONGEST_PAUSE_SECONDS", 0.0)
    running = stage.submit()
    stage.tick(2)
    waiting = stage.submit()
    with monkeypatch.context() as outage:
        outage.setattr(registry, "check_files", refuse)
        stage.process(running).status = "failed"
        stage.tick(20)
        assert stage.state(running) in {"starting", "running"}
        assert stage.state(waiting) == "queued"
    stage.finish(running, "succeeded")
    stage.tick(2)
    assert stage.state(running) == "succeeded"
    assert stage.job(waiting)["attempt"] == 1


def test_an_outage_at_submission_fails_no_job(
    stage: Stage, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "LONGEST_PAUSE_SECONDS", 0.0)
    job = stage.submit()
    with monkeypatch.context() as outage:
        outage.setattr(registry, "put_artifact", refuse)
        stage.tick(2 * troubles.MAX_FAULTS)
        assert stage.state(job) == "starting"
    stage.tick()
    assert list(stage.executor.processes) == [f"{job}-a1"]


def test_readyz_says_that_no_files_can_be_kept(
    database: Database, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "check_files", refuse)
    findings = anyio.run(Examiner(database, registry, LeaseWatch(database, 15)).examine)
    assert "files cannot be kept" in findings["registry"]


def test_a_driver_that_says_nothing_is_told_of_once(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(stalls, "read_clock", lambda: clock[0])
    job = stage.submit()
    stage.tick(2)
    stage.drive(job, ("started", {}))
    stage.tick(2)
    clock[0] += settings.stall_seconds + 1
    stage.tick(3)
    assert stage.event_types(job).count("service.stalled") == 1
    assert stage.job(job)["waiting_reason"] == "its driver has said nothing for 301 s"
    stage.drive(job, ("progress", {"update": 1, "n_updates": 2}))
    stage.tick(3)
    assert stage.job(job)["waiting_reason"] is None
    clock[0] += settings.stall_seconds - 1
    stage.tick(3)
    assert stage.event_types(job).count("service.stalled") == 1


def test_a_driver_frozen_for_two_minutes_is_told_of(
    stage: Stage, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(stalls, "read_clock", lambda: clock[0])
    job = stage.submit()
    stage.tick(2)

    def beat() -> None:
        content = f'{{"beats": {clock[0]}}}'.encode()
        registry.put_artifact(stage.run_id(job), alive_path(1), content)

    for _ in range(8):  # a long step: it lives
        clock[0] += 15
        beat()
        stage.tick(2)
    assert "service.stalled" not in stage.event_types(job)
    for _ in range(8):  # two minutes in a SIGSTOP
        clock[0] += 15
        stage.tick(2)
    assert stage.event_types(job).count("service.stalled") == 1
    assert "no sign of life for" in stage.job(job)["waiting_reason"]
    beat()
    clock[0] += 15
    stage.tick(2)
    assert stage.job(job)["waiting_reason"] is None


@pytest.mark.parametrize("end", ["was revoked", "has expired"])
def test_jobs_of_a_key_that_ended_wait_and_say_so(
    stage: Stage, services: Container, database: Database, end: str
) -> None:
    expires_at = now() + timedelta(days=1)
    key = services.api_keys.create("leaver", ["submit"], expires_at=expires_at)
    headers = {"Authorization": f"Bearer {key.key}"}
    body = {"kind": "meta-training", "spec": {"preset": "quick"}}
    theirs = stage.client.post("/v1/jobs", json=body, headers=headers).json()["id"]
    if end == "was revoked":
        services.api_keys.revoke(key.record.id)
    else:
        with database.write() as session:
            session.execute(
                update(ApiKey).where(ApiKey.id == key.record.id).values(expires_at=now())
            )
    ours = stage.submit()
    stage.tick(2)
    assert (stage.state(theirs), stage.state(ours)) == ("waiting", "starting")
    reason = f"the API key that submitted it {end}; a clone with another key runs"
    assert stage.job(theirs)["waiting_reason"] == reason


def test_streams_of_a_revoked_key_end(
    stage: Stage, services: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.jobs.streams.KEY_SECONDS", 0.0)
    job = stage.submit()
    key = services.api_keys.create("leaver", ["read"])
    principal = services.api_keys.verify(key.key)
    assert principal is not None
    services.api_keys.revoke(key.record.id)

    async def read_stream() -> list[bytes]:
        return [item async for item in stream_events(services, job, 0, principal)]

    [greeting] = anyio.run(read_stream)
    assert b"events of" in greeting


def test_what_was_answered_survives_a_power_failure(settings: Settings) -> None:
    database = Database(settings.database_url)
    if database.is_sqlite:
        with database.read() as session:
            assert session.execute(text("PRAGMA synchronous")).scalar() == 2
    database.dispose()
