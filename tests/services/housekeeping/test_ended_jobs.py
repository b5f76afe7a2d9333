"""What ended jobs left goes when it is older than it has to be kept, and nothing else does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from registry import RunNotFound
from registry.memory import InMemoryRegistry
from services.database.base import Database, now
from services.housekeeping.ended_jobs import LOG_NOTE, EndedJobs
from tests.registry.thetas import make_theta
from tests.services.housekeeping.conftest import Past
from tests.services.support import Stage

CUT = timedelta(days=10)


@pytest.fixture
def pruner(database: Database, registry: InMemoryRegistry) -> EndedJobs:
    return EndedJobs(database, registry)


def list_files(stage: Stage, job: str) -> list[str]:
    return [file.path for file in stage.registry.list_artifacts(stage.run_id(job))]


def test_logs(stage: Stage, past: Past, pruner: EndedJobs) -> None:
    old = past.run_job(11)
    young = past.run_job(9)
    finding = pruner.prune_logs(now() - CUT)
    assert (finding.n_items, finding.n_bytes) == (1, 600)
    page = stage.client.get(f"/v1/jobs/{old}/logs").json()
    assert (page["text"], page["next"]) == (LOG_NOTE.decode(), len(LOG_NOTE))
    assert stage.client.get(f"/v1/jobs/{young}/logs").json()["next"] == 600
    assert pruner.prune_logs(now() - CUT).n_items == 0

    past.retry(old)
    stage.tick()
    stage.process(old, 2).log = b"again\n"
    stage.finish(old, "succeeded", attempt=2)
    stage.tick_until(old, "succeeded")
    text = stage.client.get(f"/v1/jobs/{old}/logs").json()["text"]
    assert text == LOG_NOTE.decode() + "again\n"


def test_events(stage: Stage, past: Past, pruner: EndedJobs) -> None:
    old = past.run_job(11)
    young = past.run_job(9)
    before = stage.event_types(young)
    finding = pruner.prune_events(now() - CUT)
    assert finding.n_items == 2
    answer = stage.client.get(f"/v1/jobs/{old}/events").json()
    types = [event["type"] for event in answer["items"]]
    assert [kind for kind in before if kind not in ("progress", "checkpoint")] == types
    assert types[-1] == "job.ended"
    assert stage.event_types(young) == before
    assert not [path for path in list_files(stage, old) if path.startswith("events/")]
    assert [path for path in list_files(stage, young) if path.startswith("events/")]
    assert pruner.prune_events(now() - CUT).n_jobs == 0


def test_checkpoints(stage: Stage, past: Past, pruner: EndedJobs) -> None:
    old = past.run_job(11)
    young = past.run_job(9)
    finding = pruner.prune_checkpoints(now() - CUT)
    assert (finding.n_items, finding.n_bytes) == (2, 8)
    assert stage.client.get(f"/v1/jobs/{old}/checkpoints").json()["items"] == []
    assert stage.client.get(f"/v1/jobs/{old}/result").status_code == 200
    assert len(stage.client.get(f"/v1/jobs/{young}/checkpoints").json()["items"]) == 1
    past.set_end(young, 10.5)
    assert pruner.prune_checkpoints(now() - CUT).n_jobs == 1


def test_what_another_job_begins_with_stays(stage: Stage, past: Past, pruner: EndedJobs) -> None:
    origin = past.run_job(11)
    later = past.run_job(10.5)
    goes_on = stage.submit(
        spec={"preset": "quick", "n_episodes": 500, "continue_from": {"job": origin}}
    )
    assert pruner.prune_checkpoints(now() - CUT).n_items == 0
    assert [pruner.prune_jobs(now() - CUT).n_items for _ in range(2)] == [1, 0]
    assert (past.read(later), past.read(origin) is not None) == (None, True)
    stage.act(goes_on, "cancel")
    assert pruner.prune_checkpoints(now() - CUT).n_items == 2
    assert pruner.prune_jobs(now() - CUT).n_items == 1


def test_whole_jobs(
    stage: Stage, past: Past, pruner: EndedJobs, registry: InMemoryRegistry
) -> None:
    old = past.run_job(11)
    young = past.run_job(9)
    runs = stage.submit()
    run = stage.run_id(old)
    registry.create_version("kept", make_theta(), key=old, run_id=run)
    assert pruner.prune_jobs(now() - CUT).n_items == 1
    assert stage.client.get(f"/v1/jobs/{old}").status_code == 404
    for job in (young, runs):
        assert stage.client.get(f"/v1/jobs/{job}").status_code == 200
    assert registry.weights("kept", 1) == make_theta().to_bytes()
    registry.delete_version("kept", 1, actor="a")
    with pytest.raises(RunNotFound):
        registry.list_artifacts(run)


def test_a_look_removes_nothing(
    stage: Stage, past: Past, database: Database, registry: InMemoryRegistry
) -> None:
    job = past.run_job(11)
    files = list_files(stage, job)
    looking = EndedJobs(database, registry, dry=True)
    cut = now() - CUT
    for _ in range(2):
        assert looking.prune_jobs(cut).n_items == 1
        assert looking.prune_logs(cut).n_bytes == 600
        assert looking.prune_events(cut).n_items == 2
        assert looking.prune_checkpoints(cut).n_items == 2
    assert list_files(stage, job) == files
    assert stage.client.get(f"/v1/jobs/{job}/logs").json()["next"] == 600


def test_a_step_is_bounded(
    stage: Stage, past: Past, database: Database, registry: InMemoryRegistry
) -> None:
    jobs = [past.run_job(20 - number) for number in range(3)]
    step = EndedJobs(database, registry, limit=2)
    assert [step.prune_checkpoints(now() - CUT).n_jobs for _ in range(3)] == [2, 1, 0]
    assert [step.prune_jobs(now() - CUT).n_jobs for _ in range(3)] == [2, 1, 0]
    assert [past.read(job) for job in jobs] == [None] * 3
