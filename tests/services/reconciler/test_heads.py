"""kill -9 of a Ray head under a job of the service: the job ends in the same Θ, its whole log and
metrics are kept."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from services.container import Container
from services.embedded.ray_cluster import EmbeddedRay
from services.executors.ray_jobs import RayJobsExecutor
from tests.meta_trainer.faults.cluster import FORGIVEN, Nodes
from tests.meta_trainer.faults.redis import running_redis
from tests.services.drivers import AtWork, at_work, undisturbed, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(FORGIVEN),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
PATIENCE_SECONDS = 250


N_EPISODES = 60


def under_way(service: AtWork) -> str:
    """A job that has left a checkpoint and a log."""
    path = service.submit(n_episodes=N_EPISODES)
    until(lambda: service.client.get(f"{path}/checkpoints").json()["items"] != [], PATIENCE_SECONDS)
    until(
        lambda: "attempt 1 of run" in service.client.get(f"{path}/logs").json()["text"],
        PATIENCE_SECONDS,
    )
    until(lambda: service.client.get(path).json()["state"] == "running", PATIENCE_SECONDS)
    return path


def check_end(service: AtWork, path: str) -> list[str]:
    """Wait until the job has ended well, as if nothing had happened; returns how its attempts
    ended."""
    client = service.client
    until(lambda: client.get(path).json()["ended_at"] is not None, PATIENCE_SECONDS)
    job = client.get(path).json()
    assert (job["state"], job["error"]) == ("succeeded", None)
    assert service.latest().vector.equal(undisturbed(job["id"], n_episodes=N_EPISODES).vector)
    assert len(client.get("/v1/optimizers/hyperadam/versions").json()["items"]) == 1
    losses = client.get(f"{path}/metrics", params={"name": "meta_loss", "limit": 1000}).json()[
        "items"
    ]
    assert [point["step"] for point in losses] == list(range(1, 2 * N_EPISODES + 1))
    log = client.get(f"{path}/logs").json()["text"]
    assert "attempt 1 of run" in log
    assert f"attempt {job['attempt']} of run {job['run_id']} ends" in log
    return [attempt["state"] for attempt in client.get(f"{path}/attempts").json()["items"]]


def test_a_new_attempt_resumes_on_the_head_that_takes_the_place_of_a_killed_one(
    services: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    # long enough for the reconciler to see that the head is gone
    monkeypatch.setattr("services.embedded.ray_cluster.RESTART_SECONDS", 2.0)
    ray = EmbeddedRay(services.settings.home)
    ray.start()
    try:
        executor = RayJobsExecutor(ray.address, grace_seconds=5, headers=ray.headers)
        with at_work(services, executor) as service:
            path = under_way(service)
            client = service.client
            holder = next(
                pid
                for pid in children(os.getpid())
                if "services.embedded.ray_holder" in command_of(pid)
            )
            kill_all_below(
                holder
            )  # head, workers and driver: as when the machine of the head is gone
            until(lambda: client.get("/readyz").json()["checks"]["executor"] != "ok", 60)
            assert check_end(service, path) == ["lost", "succeeded"]
            first, second = service.resumed_from(path)
            assert first is None
            assert second is not None
            assert client.get("/readyz").json()["checks"]["executor"] == "ok"
    finally:
        ray.stop()


def test_with_redis_the_job_goes_on_over_a_killed_head(
    services: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_redis(services.settings.home) as redis:
        monkeypatch.setenv("RAY_REDIS_ADDRESS", redis)
        nodes = Nodes(1, dashboard=True)
        try:
            executor = RayJobsExecutor(lambda: nodes.dashboard_url, grace_seconds=5)
            with at_work(services, executor) as service:
                path = under_way(service)
                nodes.restart_head()
                assert check_end(service, path)[-1] == "succeeded"
        finally:
            nodes.close()


def kill_all_below(pid: int) -> None:
    """kill -9 of all descendants of a process, stopped first so that none is made meanwhile."""
    found: list[int] = []
    waiting = children(pid)
    while waiting:
        one = waiting.pop()
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGSTOP)
            found.append(one)
            waiting += children(one)
    for one in found:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Of all threads of a process."""
    with suppress(FileNotFoundError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in _read(task / "children")
        ]
    return []


def _read(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:  # it ended meanwhile
        return []


def command_of(pid: int) -> str:
    return " ".join(Path(f"/proc/{pid}/cmdline").read_text().split("\0"))
