"""kill -9 of real servers on one database.

The API is killed amid submissions, the reconciler that works amid jobs. Nothing is lost, nothing is
submitted twice, and the other reconciler takes over.

Drivers are played by a shell script that says when it runs; servers, database, lease and processes
are real.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.embedded.ray_holder import find_free_ports
from services.executors.process import ProcessExecutor
from tests.services.homes import make_home

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(400)]
N_JOBS = 12
N_KILLS = 2
PATIENCE_SECONDS = 120


class Servers:
    """Processes of `hyperadam-server` by name, all on one home."""

    def __init__(self, home: Path) -> None:
        [port] = find_free_ports(1)
        self._home = home
        self.port = port
        driver = home / "driver"
        driver.write_text(f'#!/bin/sh\necho "$@" >> {home}/runs\nexec sleep 300\n')
        driver.chmod(0o700)
        self._environment = {
            **os.environ,
            "HYPERADAM_HOME": str(home),
            "HYPERADAM_PORT": str(self.port),
            "HYPERADAM_EXECUTOR": "process",
            "HYPERADAM_PYTHON": str(driver),
            "HYPERADAM_LEASE_SECONDS": "2",
            "HYPERADAM_MAX_RUNNING_JOBS": "3",
        }
        self.key = make_home(home, "test")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "services.cli", name.partition("-")[0]]
        with (self._home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def runs(self) -> list[str]:
        """Command lines of the drivers that were started so far."""
        file = self._home / "runs"
        return file.read_text().splitlines() if file.exists() else []

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        executor = ProcessExecutor(self._home / "processes")
        for folder in (self._home / "processes").glob("*"):
            executor.kill(folder.name)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    servers = Servers(tmp_path)
    yield servers
    servers.close()


def test_kill_minus_nine_of_api_and_reconciler_loses_nothing_and_does_nothing_twice(
    servers: Servers,
) -> None:
    for name in ("api", "reconciler-1", "reconciler-2"):
        servers.start(name)
    url = f"http://127.0.0.1:{servers.port}"
    headers = {"Authorization": f"Bearer {servers.key}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=30) as http:
        _until(lambda: _ready(http))
        submitted: dict[str, str] = {}
        submitter = threading.Thread(target=_submit_all, args=[http, submitted], daemon=True)
        submitter.start()
        for kill in range(N_KILLS):  # in the middle of submissions
            _until(lambda: len(submitted) > (kill + 1) * N_JOBS // 4)  # noqa: B023
            servers.kill("api")
            servers.start("api")
        submitter.join(PATIENCE_SECONDS)
        assert len(submitted) == N_JOBS
        assert len(set(submitted.values())) == N_JOBS
        stored = sorted(job["id"] for job in _jobs(http))
        assert stored == sorted(submitted.values()), "a job was lost, or is there twice"

        _until(lambda: len(servers.runs()) == 3)  # as many as may run
        # whichever of them holds the lease, after both kills it is another
        for name in ("reconciler-1", "reconciler-2"):
            servers.kill(name)
            servers.start(name)
            _until(lambda: _ready(http))
        active = next(job for job in reversed(_jobs(http)) if job["run_id"])
        http.post(f"/v1/jobs/{active['id']}/cancel").raise_for_status()
        _until(lambda: http.get(f"/v1/jobs/{active['id']}").json()["state"] == "cancelled")
        # its place was taken by the next one, and by nothing else
        _until(lambda: len(servers.runs()) == 4)
        assert len(set(servers.runs())) == 4
        assert all(job["attempt"] <= 1 for job in _jobs(http))


def _submit_all(http: httpx2.Client, submitted: dict[str, str]) -> None:
    """Each job under a key of its own, again and again until it is accepted."""
    for number in range(N_JOBS):
        body = {"kind": "meta-training", "name": f"{number}", "spec": {"preset": "quick"}}
        headers = {"Idempotency-Key": f"job-{number}"}
        while str(number) not in submitted:
            with suppress(httpx2.TransportError):
                answer = http.post("/v1/jobs", json=body, headers=headers)
                submitted[str(number)] = str(answer.raise_for_status().json()["id"])
            time.sleep(0.05)


def _jobs(http: httpx2.Client) -> list[dict[str, Any]]:
    return list(http.get("/v1/jobs", params={"limit": 200}).raise_for_status().json()["items"])


def _ready(http: httpx2.Client) -> bool:
    with suppress(httpx2.TransportError):
        return http.get("/readyz").status_code == 200
    return False


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
