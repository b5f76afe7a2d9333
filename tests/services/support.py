"""Helpers of the service's tests: an executor whose processes the test plays, and its words."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from registry import ArtifactNotFound, Registry
from services.executors.contract import Executor, ExecutorUnavailable, ProcessStatus
from services.reconciler.loop import Reconciler

ON_ANY_DATABASE: Final = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Of a test that no database could make differ: what it asks is refused before, or is in none."""


@dataclass
class Process:
    argv: list[str]
    environment: dict[str, str]
    status: ProcessStatus = "running"
    log: bytes = b""
    signals: list[str] = field(default_factory=list)


class PlayedExecutor(Executor):
    """Keeps its promise of one process for an id; all else happens when the test says so."""

    def __init__(self) -> None:
        self.processes: dict[str, Process] = {}
        self.submissions: list[str] = []
        self.down: str | None = None
        self.broken: dict[str, Exception] = {}
        """Process id → what is raised after its start: a crash between submission and record."""
        self.nodes: list[dict[str, float]] = []

    def list_nodes(self) -> Sequence[Mapping[str, float]]:
        return self.nodes

    def check(self) -> None:
        if self.down:
            raise ExecutorUnavailable(self.down)

    def submit(self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.check()
        self.submissions.append(process_id)
        self.processes.setdefault(process_id, Process(list(argv), dict(environment)))
        if process_id in self.broken:
            raise self.broken[process_id]

    def status(self, process_id: str) -> ProcessStatus:
        self.check()
        process = self.processes.get(process_id)
        return process.status if process else "unknown"

    def stop(self, process_id: str) -> None:
        self.processes[process_id].signals.append("stop")

    def kill(self, process_id: str) -> None:
        self.processes[process_id].signals.append("kill")
        self.processes[process_id].status = "failed"

    def log(self, process_id: str, after: int = 0) -> bytes:
        return self.processes[process_id].log[after:] if process_id in self.processes else b""


@dataclass
class Stage:
    """One service with everything around it; the test plays the drivers."""

    client: TestClient
    registry: Registry
    executor: PlayedExecutor
    reconciler: Reconciler
    event_files: dict[str, int] = field(default_factory=dict)

    def submit(self, kind: str = "meta-training", **request: Any) -> str:
        body = {"kind": kind, "spec": {"preset": "quick"}, **request}
        answer = self.client.post("/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def tick(self, n: int = 1) -> None:
        for _ in range(n):
            self.reconciler.tick()

    def tick_until(self, job_id: str, state: str, seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while self.state(job_id) != state:
            assert time.monotonic() < deadline, f"{job_id} is {self.state(job_id)}, not {state}"
            self.tick()

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def state(self, job_id: str) -> str:
        return str(self.job(job_id)["state"])

    def act(self, job_id: str, action: str) -> str:
        answer = self.client.post(f"/v1/jobs/{job_id}/{action}")
        assert answer.status_code == 202, answer.text
        return str(answer.json()["state"])

    def events(self, job_id: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"/v1/jobs/{job_id}/events", params={"limit": 1000})
        items: list[dict[str, Any]] = answer.json()["items"]
        assert [item["id"] for item in items] == list(range(1, len(items) + 1))
        return items

    def event_types(self, job_id: str) -> list[str]:
        return [event["type"] for event in self.events(job_id)]

    def run_id(self, job_id: str) -> str:
        return self.registry.open_run(job_id, name=job_id)

    def process(self, job_id: str, attempt: int = 1) -> Process:
        return self.executor.processes[f"{job_id}-a{attempt}"]

    def drive(self, job_id: str, *events: tuple[str, dict[str, Any]], attempt: int = 1) -> None:
        """The driver writes one file of events."""
        attempt_id = f"{job_id}-a{attempt}"
        number = self.event_files.get(attempt_id, 0)
        self.event_files[attempt_id] = number + 1

        lines = [json.dumps({"type": kind, "time": _now(), "data": data}) for kind, data in events]
        path = f"events/{attempt:04d}-{number:06d}.jsonl"
        self.registry.put_artifact(self.run_id(job_id), path, "\n".join(lines).encode())

    def finish(self, job_id: str, outcome: str, attempt: int = 1, **more: Any) -> None:
        """The driver says its last word and ends."""
        record = json.dumps({"outcome": outcome, "time": _now(), **more}).encode()
        self.registry.put_artifact(self.run_id(job_id), f"attempts/{attempt:04d}/done.json", record)
        self.process(job_id, attempt).status = "failed" if outcome == "failed" else "succeeded"

    def last_word(self, job_id: str, attempt: int) -> Any:
        """The outcome in the attempt's `done.json`; None when it left none."""
        path = f"attempts/{attempt:04d}/done.json"
        try:
            record = self.registry.get_artifact(self.run_id(job_id), path)
        except ArtifactNotFound:
            return None
        return json.loads(record)["outcome"]


def list_error_fields(answer: Response) -> list[str]:
    """The fields that a problem document names."""
    return [error["field"] for error in answer.json()["errors"]]


def collect_pages(client: TestClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """The items of all pages of a list."""
    items: list[dict[str, Any]] = []
    while True:
        page = client.get(path, params=query).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        query["cursor"] = page["next_cursor"]


def _now() -> str:
    return datetime.now(UTC).isoformat()
