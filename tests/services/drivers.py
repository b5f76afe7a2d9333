"""A service at work with real drivers: their job, and what it ends in undisturbed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient
from hyperadam.theta import Theta

from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from registry import Registry, connect
from services.app import create_app
from services.container import Container
from services.executors.contract import Executor
from services.executors.process import ProcessExecutor
from services.reconciler.loop import Reconciler
from tests.meta_trainer.conftest import TINY
from tests.registry.stores import place_store

SPEC = {**TINY, "n_episodes": 30, "checkpoint_every_updates": 5}


@dataclass(frozen=True)
class AtWork:
    client: TestClient
    """With a key that may do everything."""
    registry: Registry

    def submit(self, **changes: Any) -> str:
        """Path of a new job, of `SPEC` with changes."""
        request = {"kind": "meta-training", "spec": {**SPEC, **changes}}
        job = self.client.post("/v1/jobs", json=request).json()
        return f"/v1/jobs/{job['id']}"

    def resumed_from(self, job: str) -> list[int | None]:
        """Where each attempt began."""
        return [data["resumed_from"] for data in self._event_data(job, "started")]

    def cells(self, job: str) -> list[dict[str, Any]]:
        """What was told of the cells of an evaluation, attempt after attempt."""
        return self._event_data(job, "cell")

    def _event_data(self, job: str, kind: str) -> list[dict[str, Any]]:
        events = self.client.get(f"{job}/events", params={"limit": 1000}).json()["items"]
        return [event["data"] for event in events if event["type"] == kind]

    def latest(self) -> Theta:
        answer = self.client.get("/v1/optimizers/hyperadam/versions/latest/weights")
        return Theta.from_bytes(answer.content)


@contextmanager
def at_work(services: Container, executor: Executor | None = None) -> Iterator[AtWork]:
    """The service with a registry on disk, its reconciler in a thread, its drivers as processes.

    The drivers end with it.

    Args:
        executor: takes the place of that of processes; whoever gives it ends what it runs.
    """
    settings = services.settings
    place_store(settings.home / "mlflow.db")
    registry = connect(settings.tracking_uri, settings.artifact_location)
    container = Container(settings=settings, database=services.database, registry=registry)
    key = container.api_keys.create("tester", ["admin"]).key

    processes = ProcessExecutor(settings.home / "processes")
    stop = threading.Event()
    loop = Reconciler(settings, services.database, registry, executor or processes)
    reconciler = threading.Thread(target=loop.run, args=[stop], name="reconciler")
    with TestClient(create_app(container), headers={"Authorization": f"Bearer {key}"}) as client:
        reconciler.start()
        try:
            yield AtWork(client, registry)
        finally:
            stop.set()
            reconciler.join()
            for attempt in (settings.home / "processes").glob("*"):
                processes.kill(attempt.name)


def undisturbed(job: str, **changes: Any) -> Theta:
    """What the job, of `SPEC` with changes, ends in if nothing happens to it."""
    registry = connect("memory://")
    run_id = registry.open_run(job, name=job)
    order = {"job_id": job, "kind": "meta-training", "name": None, "spec": {**SPEC, **changes}}
    registry.put_artifact(run_id, "job.json", json.dumps(order).encode())
    assert run_attempt(
        registry, run_id, 1, DriverSettings(tracking_uri="memory://", runner="in-process")
    )
    return Theta.from_bytes(registry.weights("hyperadam", 1))


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
