"""A real service to put load on: `hyperadam-server up` on a home of its own, with many jobs already
in its store."""

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


def fill(home: Path, n_jobs: int) -> None:
    """Jobs that succeeded some time ago, with their events."""
    database = Database(f"sqlite:///{home / 'jobs.db'}")
    upgrade(database)
    complete = complete_spec("meta-training", {"preset": "quick"}, InMemoryRegistry())
    spec = complete.model_dump(mode="json")
    with database.write() as session:
        for first in range(0, n_jobs, 1000):
            numbers = range(first, min(first + 1000, n_jobs))
            session.execute(insert(Job), [_job(number, spec) for number in numbers])
            session.execute(
                insert(Event), [event for number in numbers for event in _events(number)]
            )
    database.dispose()


def _job(number: int, spec: dict[str, Any]) -> dict[str, Any]:
    moment = now()
    return {
        "id": job_id(number), "kind": "meta-training", "name": f"job {number}", "labels": {"team": str(number % 7)},
        "spec": spec, "state": "succeeded", "actor": "load", "created_at": moment, "started_at": moment,
        "ended_at": moment, "attempt": 1, "progress": 1.0, "last_event_id": N_EVENTS, "log_bytes": 0,
    }  # fmt: skip


def _events(number: int) -> list[dict[str, Any]]:
    data = {"update": 1, "n_updates": 1, "meta_loss": 0.5}
    event = {
        "job_id": job_id(number),
        "type": "progress",
        "time": now(),
        "attempt": 1,
        "data": data,
    }
    return [{**event, "id": one} for one in range(1, N_EVENTS + 1)]


def job_id(number: int) -> str:
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
        answer = self.http.post(
            "/v1/jobs", json={"kind": "meta-training", "spec": {"preset": "quick", **spec}}
        )
        return str(answer.raise_for_status().json()["id"])

    def job(self, job: str) -> dict[str, Any]:
        return dict(self.http.get(f"/v1/jobs/{job}").raise_for_status().json())

    def events(self, job: str) -> list[dict[str, Any]]:
        """The first ones."""
        answer = self.http.get(f"/v1/jobs/{job}/events", params={"limit": 1000}).raise_for_status()
        return list(answer.json()["items"])

    def wait_for_event(self, job: str, kind: str) -> None:
        def seen() -> bool:
            kinds = {event["type"] for event in self.events(job)}
            if "job.ended" in kinds and kind not in kinds:
                raise RuntimeError(
                    f"{job} ended without an event {kind!r}: {self.job(job)['error']}"
                )
            return kind in kinds

        wait(seen)

    def cancel(self, job: str) -> None:
        """To its end."""
        self.http.post(f"/v1/jobs/{job}/cancel").raise_for_status()
        wait(lambda: self.job(job)["ended_at"] is not None)

    def wait_until_warm(self) -> None:
        """For a driver that is ready, if one is to be kept."""
        folder = self.home / "standby"
        wait(
            lambda: (
                not self.standby
                or any(
                    not standby_orders.read_order(ready.parent) for ready in folder.glob("*/ready")
                )
            )
        )


@contextmanager
def running(home: Path, executor: str, *, standby: bool = True) -> Iterator[Service]:
    """The service, ready to take jobs; stopped at the end."""
    limits = {"HYPERADAM_REQUESTS_PER_SECOND": "0", "HYPERADAM_WRITES_PER_SECOND": "0"}
    chosen = {"HYPERADAM_EXECUTOR": executor, "HYPERADAM_STANDBY": str(int(standby))}
    command = [sys.executable, "-m", "services.cli", "up", "--home", str(home), "--port", "0"]
    with (home / "up.log").open("w") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **limits, **chosen}, stdout=log, stderr=log
        )
    try:
        with _client(home, process) as http:
            wait(lambda: http.get("/readyz").status_code == 200)
            yield Service(home, http, standby)
    finally:
        process.terminate()
        try:
            process.wait(180)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _client(home: Path, process: subprocess.Popen[bytes]) -> httpx2.Client:
    file = home / "server.json"
    wait(lambda: file.exists() or process.poll() is not None)
    if process.poll() is not None:
        raise RuntimeError((home / "up.log").read_text())
    server: dict[str, Any] = json.loads(file.read_text())
    key = (home / server["api_key_file"]).read_text()
    return httpx2.Client(
        base_url=server["url"], headers={"Authorization": f"Bearer {key}"}, timeout=60
    )


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_SECONDS:g} s")
        time.sleep(0.1)
