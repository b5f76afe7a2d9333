"""A real service to put load on: `hyperadam-server up` on a home of its own, with many jobs already in its store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import insert

from registry.memory import InMemoryRegistry
from services.database.base import Database, now
from services.database.migrations import upgrade
from services.jobs.specs import complete_spec
from services.jobs.tables import Event, Job

START_SECONDS = 300
N_EVENTS = 5
"""Of each job in the store."""


def fill(home: Path, n_jobs: int) -> None:
    """Jobs that succeeded some time ago, with their events."""
    database = Database(f"sqlite:///{home / 'jobs.db'}")
    upgrade(database)
    spec = complete_spec("meta-training", {"preset": "quick"}, InMemoryRegistry())
    with database.write() as session:
        for first in range(0, n_jobs, 1000):
            numbers = range(first, min(first + 1000, n_jobs))
            session.execute(insert(Job), [_job(number, spec) for number in numbers])
            session.execute(insert(Event), [event for number in numbers for event in _events(number)])
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
    event = {"job_id": job_id(number), "type": "progress", "time": now(), "attempt": 1, "data": data}
    return [{**event, "id": one} for one in range(1, N_EVENTS + 1)]


def job_id(number: int) -> str:
    return f"job_{number:016d}"


@contextmanager
def running(home: Path, **environment: str) -> Iterator[httpx2.Client]:
    """The service, ready to take jobs; stopped at the end."""
    variables = {**os.environ, "HYPERADAM_REQUESTS_PER_SECOND": "0", "HYPERADAM_WRITES_PER_SECOND": "0", **environment}
    command = [sys.executable, "-m", "services.cli", "up", "--home", str(home), "--port", "0"]
    with (home / "up.log").open("w") as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        client = _client(home, process)
        with client:
            wait(lambda: client.get("/readyz").status_code == 200, START_SECONDS)
            yield client
    finally:
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _client(home: Path, process: subprocess.Popen[bytes]) -> httpx2.Client:
    file = home / "server.json"
    wait(lambda: file.exists() or process.poll() is not None, START_SECONDS)
    if process.poll() is not None:
        raise RuntimeError((home / "up.log").read_text())
    server: dict[str, Any] = json.loads(file.read_text())
    key = (home / server["api_key_file"]).read_text()
    return httpx2.Client(base_url=server["url"], headers={"Authorization": f"Bearer {key}"}, timeout=60)


def wait(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.2)
