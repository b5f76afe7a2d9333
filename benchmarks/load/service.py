"""A real service to put load on: `hyperadam-server up` on a home of its own.

Its store may hold many jobs already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from sqlalchemy import insert

from meta_trainer.driver import standby_orders
from registry.memory import InMemoryRegistry
from services.database.base import Database, now
from services.database.migrations import upgrade
from services.jobs.specs import complete_spec
from services.jobs.tables import Event, Job

PATIENCE_SECONDS: Final = 600.0
N_EVENTS: Final = 5
"""Of each job in the store."""


def fill_store(home: Path, n_jobs: int) -> None:
    """Jobs that succeeded some time ago, with their events."""
    database = Database(f"sqlite:///{home / 'jobs.db'}")
    upgrade(database)
    complete = complete_spec("meta-training", {"preset": "quick"}, InMemoryRegistry())
    spec = complete.model_dump(mode="json")
    with database.write() as session:
        for first in range(0, n_jobs, 1000):
            numbers = range(first, min(first + 1000, n_jobs))
            jobs = [make_job_row(number, spec) for number in numbers]
            events = [
                _make_event(number, event_id)
                for number in numbers
                for event_id in range(1, N_EVENTS + 1)
            ]
            session.execute(insert(Job), jobs)
            session.execute(insert(Event), events)
    database.dispose()


def make_job_row(number: int, spec: dict[str, Any]) -> dict[str, Any]:
    moment = now()
    return {
        "id": make_job_id(number),
        "kind": "meta-training",
        "name": f"job {number}",
        "labels": {"team": str(number % 7)},
        "spec": spec,
        "state": "succeeded",
        "actor": "load",
        "created_at": moment,
        "started_at": moment,
        "ended_at": moment,
        "attempt": 1,
        "progress": 1.0,
        "last_event_id": N_EVENTS,
        "log_bytes": 0,
    }


def _make_event(number: int, event_id: int) -> dict[str, Any]:
    return {
        "job_id": make_job_id(number),
        "id": event_id,
        "type": "progress",
        "time": now(),
        "attempt": 1,
        "data": {"update": 1, "n_updates": 1, "meta_loss": 0.5},
    }


def make_job_id(number: int) -> str:
    return f"job_{number:016d}"


@dataclass(frozen=True)
class Service:
    """A running service."""

    home: Path
    http: httpx2.Client
    standby: bool
    """Whether it keeps a driver ready."""

    def submit(self, **spec: Any) -> str:
        """A job of the quick preset; returns its id."""
        request = {"kind": "meta-training", "spec": {"preset": "quick", **spec}}
        answer = self.http.post("/v1/jobs", json=request)
        return str(answer.raise_for_status().json()["id"])

    def get_job(self, job: str) -> dict[str, Any]:
        return dict(self.http.get(f"/v1/jobs/{job}").raise_for_status().json())

    def list_events(self, job: str) -> list[dict[str, Any]]:
        """The first ones."""
        answer = self.http.get(f"/v1/jobs/{job}/events", params={"limit": 1000}).raise_for_status()
        return list(answer.json()["items"])

    def wait_for_event(self, job: str, kind: str) -> None:
        def has_event() -> bool:
            kinds = {event["type"] for event in self.list_events(job)}
            if "job.ended" in kinds and kind not in kinds:
                error = self.get_job(job)["error"]
                raise RuntimeError(f"{job} ended without an event {kind!r}: {error}")
            return kind in kinds

        wait(has_event)

    def cancel(self, job: str) -> None:
        """To its end."""
        self.http.post(f"/v1/jobs/{job}/cancel").raise_for_status()
        wait(lambda: self.get_job(job)["ended_at"] is not None)

    def wait_until_warm(self) -> None:
        """For a driver that is ready, if one is to be kept."""
        if self.standby:
            wait(self._has_ready_driver)

    def _has_ready_driver(self) -> bool:
        for ready in (self.home / "standby").glob("*/ready"):
            if not standby_orders.read_order(ready.parent):
                return True
        return False


@contextmanager
def run_service(home: Path, executor: str, *, standby: bool = True) -> Iterator[Service]:
    """The service, ready to take jobs; stopped at the end."""
    settings = {
        "HYPERADAM_REQUESTS_PER_SECOND": "0",
        "HYPERADAM_WRITES_PER_SECOND": "0",
        "HYPERADAM_EXECUTOR": executor,
        "HYPERADAM_STANDBY": str(int(standby)),
    }
    command = [sys.executable, "-m", "services.cli", "up", "--home", str(home), "--port", "0"]
    with (home / "up.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        with _connect(home, process) as http:
            wait(lambda: http.get("/readyz").status_code == 200)
            yield Service(home, http, standby)
    finally:
        process.terminate()
        try:
            process.wait(180)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _connect(home: Path, process: subprocess.Popen[bytes]) -> httpx2.Client:
    file = home / "server.json"
    wait(lambda: file.exists() or process.poll() is not None)
    if process.poll() is not None:
        raise RuntimeError((home / "up.log").read_text())
    server: dict[str, Any] = json.loads(file.read_text())
    key = (home / server["api_key_file"]).read_text()
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.Client(base_url=server["url"], headers=headers, timeout=60)


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_SECONDS:g} s")
        time.sleep(0.1)
