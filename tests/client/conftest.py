"""The client's other half: the real application on a loopback port, over a real job store and the
in-memory registry.

Drivers are played: the reconciler's part is done by the very functions that it uses to change a
job's rows.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
import torch
import uvicorn
from hyperadam.api import Client, RetryPolicy
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hyperadam.theta import Theta

from registry import MetricPoint, Version
from registry.memory import InMemoryRegistry
from services.container import Container
from services.database.base import Database
from services.database.migrations import upgrade
from services.jobs import changes
from services.jobs.lifecycle import Trigger
from services.jobs.tables import LogChunk
from services.settings import Settings
from tests.services.application import share_application

QUICK = RetryPolicy(
    n_attempts=3, n_follow_attempts=6, first_delay_seconds=0.01, max_delay_seconds=0.1
)


def make_theta(seed: int) -> Theta:
    rule = HyperAdamRule(HyperAdamSpec())
    tensors = rule.init_theta(torch.Generator().manual_seed(seed), "paper")
    return Theta.from_vector(
        rule, rule.pack(tensors), rate=Rate(lr=0.005), provenance={"seed": seed}
    )


@dataclass
class Service:
    """A running service, and what its reconciler would do to it."""

    url: str
    keys: dict[str, str]
    """Scope → key."""
    container: Container
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        self.container.stopping.set()
        self.server.should_exit = True
        self.thread.join()

    def client(self, scope: str = "admin") -> Client:
        return Client(self.url, self.keys[scope], retry=QUICK)

    def register(self, seed: int, name: str = "hyperadam") -> Version:
        return self.container.registry.create_version(name, make_theta(seed), key=f"{name}-{seed}")

    def begin(self, job_id: str) -> None:
        """The job gets a run, and its first attempt starts."""
        run_id = self.container.registry.open_run(job_id, name=job_id)
        with self.container.database.write() as session:
            job = changes.lock_job(session, job_id)
            assert job is not None
            job.run_id = run_id
            changes.mark_running(session, job, changes.begin_attempt(session, job))

    def tell(self, job_id: str, kind: str, **data: Any) -> None:
        """The driver says something."""
        with self.container.database.write() as session:
            job = changes.lock_job(session, job_id)
            assert job is not None
            changes.append_event(session, job, kind, data)

    def log(self, job_id: str, text: str) -> None:
        with self.container.database.write() as session:
            job = changes.lock_job(session, job_id)
            assert job is not None
            session.add(
                LogChunk(
                    job_id=job_id, start=job.log_bytes, attempt=job.attempt, data=text.encode()
                )
            )
            job.log_bytes += len(text.encode())

    def artifact(self, job_id: str, path: str, data: bytes) -> None:
        self.container.registry.put_artifact(self.run_id(job_id), path, data)

    def metrics(self, job_id: str, name: str, values: list[float]) -> None:
        now = datetime.now(UTC)
        points = [
            MetricPoint(name=name, value=value, step=step, time=now)
            for step, value in enumerate(values)
        ]
        self.container.registry.log_metrics(self.run_id(job_id), points)

    def end(
        self,
        job_id: str,
        trigger: Trigger,
        result: dict[str, Any] | None = None,
        where: dict[str, int] | None = None,
    ) -> None:
        """The driver's last word; `where` is that of an update that failed."""
        if result is not None:
            self.artifact(job_id, "result/result.json", json.dumps(result).encode())
        failed = {"type": "ValueError", "message": "it went wrong", **(where or {})}
        error = failed if trigger is Trigger.FAIL else None
        with self.container.database.write() as session:
            job = changes.lock_job(session, job_id)
            assert job is not None
            attempt = session.get_one(changes.Attempt, (job_id, job.attempt))
            changes.end_attempt(session, job, attempt, trigger, error)

    def run_id(self, job_id: str) -> str:
        return self.container.registry.open_run(job_id, name=job_id)


@pytest.fixture(scope="session")
def empty_job_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("client") / "jobs.db"
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    database.dispose()
    return file


@pytest.fixture
def quiet_server() -> Iterator[None]:
    """What the server logs in this process stays out of what a command prints."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def service(
    tmp_path: Path, empty_job_store: Path, monkeypatch: pytest.MonkeyPatch, quiet_server: None
) -> Iterator[Service]:
    shutil.copy(empty_job_store, tmp_path / "jobs.db")
    settings = Settings(home=tmp_path, executor="process", heartbeat_seconds=0.2)
    database = Database(settings.database_url)
    container = Container(settings=settings, database=database, registry=InMemoryRegistry())
    keys = {
        scope: container.api_keys.create(f"{scope}-key", [scope]).key
        for scope in ("read", "submit", "admin")
    }
    server = uvicorn.Server(
        uvicorn.Config(share_application(container), port=0, log_level="error", lifespan="on")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HYPERADAM_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HYPERADAM_API_KEY", keys["admin"])
    service = Service(f"http://127.0.0.1:{port}", keys, container, server, thread)
    yield service
    service.stop()
    database.dispose()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as open_client:
        yield open_client


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    """Tables of the command have room for all that they say, of a running service."""
    monkeypatch.setenv("COLUMNS", "200")
