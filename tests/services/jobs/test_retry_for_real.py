"""A real driver, cancelled and retried: it leaves a checkpoint, and the retry ends in the Θ of an undisturbed run."""

from __future__ import annotations

import threading

import pytest
from fastapi.testclient import TestClient
from hyperadam.theta import Theta

from registry import connect
from services.app import create_app
from services.container import Container
from services.executors.process import ProcessExecutor
from services.reconciler.loop import Reconciler
from tests.services.reconciler.test_recovery import SPEC, undisturbed, until


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_cancelled_job_goes_on_from_its_checkpoint_and_leaves_only_its_version(services: Container) -> None:
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
        path = f"/v1/jobs/{job}"
        reconciler.start()
        try:
            until(lambda: client.get(f"{path}/checkpoints").json()["items"] != [])
            client.post(f"{path}/cancel")
            until(lambda: client.get(path).json()["state"] == "cancelled")
            client.post(f"{path}/retry")
            until(lambda: client.get(path).json()["ended_at"] is not None)
        finally:
            stop.set()
            reconciler.join()
            for attempt in (1, 2):
                executor.kill(f"{job}-a{attempt}")
        ended = client.get(path).json()
        assert (ended["state"], ended["attempt"]) == ("succeeded", 2)
        events = client.get(f"{path}/events", params={"limit": 1000}).json()["items"]
        resumed = [event["data"]["resumed_from"] for event in events if event["type"] == "started"]
        assert resumed[0] is None
        assert resumed[1] >= 5
        assert client.delete(path).status_code == 204
        assert registry.list_artifacts(ended["run_id"], "checkpoints") == []
        weights = client.get("/v1/optimizers/hyperadam/versions/latest/weights").content
    assert Theta.from_bytes(weights).vector.equal(undisturbed(job).vector)
