"""kill -9 of a real driver in the middle of a real meta-training: the job ends by itself, in the same Θ."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hyperadam.theta import Theta

from meta_trainer.driver import DriverSettings, run_attempt
from registry import connect
from services.app import create_app
from services.container import Container
from services.executors import supervisor
from services.executors.process import ProcessExecutor
from services.reconciler.loop import Reconciler
from tests.meta_trainer.conftest import TINY

SPEC = {**TINY, "n_episodes": 30, "checkpoint_every_updates": 5}


def undisturbed(job: str) -> Theta:
    registry = connect("memory://")
    run_id = registry.open_run(job, name=job)
    order = {"job_id": job, "kind": "meta-training", "name": None, "spec": SPEC}
    registry.put_artifact(run_id, "job.json", json.dumps(order).encode())
    assert run_attempt(registry, run_id, 1, DriverSettings(tracking_uri="memory://", runner="in-process"))
    return Theta.from_bytes(registry.weights("hyperadam", 1))


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def driver_of(folder: Path) -> int:
    """The only child of the attempt's supervisor."""
    parent = (folder / supervisor.GROUP).read_text()
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_killed_driver_is_followed_by_another_that_ends_in_the_same_theta(services: Container, tmp_path: Path) -> None:
    settings = services.settings
    registry = connect(settings.tracking_uri, settings.artifact_location)
    container = Container(settings=settings, database=services.database, registry=registry)
    key = container.api_keys.create("tester", ["admin"]).key
    executor, stop = ProcessExecutor(settings.home / "processes"), threading.Event()
    reconciler = threading.Thread(
        target=Reconciler(settings, services.database, registry, executor).run, args=[stop], name="reconciler"
    )
    with TestClient(create_app(container), headers={"Authorization": f"Bearer {key}"}) as client:
        job = client.post("/v1/jobs", json={"kind": "meta-training", "spec": SPEC}).json()["id"]
        reconciler.start()
        try:
            until(lambda: client.get(f"/v1/jobs/{job}/checkpoints").json()["items"] != [])
            os.kill(driver_of(tmp_path / "processes" / f"{job}-a1"), signal.SIGKILL)
            until(lambda: client.get(f"/v1/jobs/{job}").json()["ended_at"] is not None)
        finally:
            stop.set()
            reconciler.join()
            for attempt in (1, 2):
                executor.kill(f"{job}-a{attempt}")
        assert client.get(f"/v1/jobs/{job}").json()["state"] == "succeeded"
        attempts = client.get(f"/v1/jobs/{job}/attempts").json()["items"]
        assert [attempt["state"] for attempt in attempts] == ["lost", "succeeded"]
        events = client.get(f"/v1/jobs/{job}/events", params={"limit": 1000}).json()["items"]
        resumed = [event["data"]["resumed_from"] for event in events if event["type"] == "started"]
        assert resumed[0] is None
        assert resumed[1] >= 5
        weights = client.get("/v1/optimizers/hyperadam/versions/latest/weights").content
    assert Theta.from_bytes(weights).vector.equal(undisturbed(job).vector)
