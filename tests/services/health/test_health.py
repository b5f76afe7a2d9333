"""Probes: quick, without a key, and naming what is down, even when it hangs."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from fastapi.testclient import TestClient

from services.container import Container
from services.health.checks import Examiner
from services.reconciler.lease import LeaseHolder
from tests.services.application import share_application

SECRET = "postgresql://me:hunter2@host/db"


@pytest.fixture
def anonymous(services: Container) -> Iterator[TestClient]:
    with TestClient(share_application(services)) as client:
        yield client


@pytest.fixture
def at_work(services: Container) -> LeaseHolder:
    """A reconciler that holds the lease and finds its executor well."""
    holder = LeaseHolder(services.database, seconds=60)
    assert holder.acquire("ok")
    return holder


def test_livez_needs_nothing(anonymous: TestClient, services: Container) -> None:
    services.database.dispose()
    answer = anonymous.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_all_is_well(anonymous: TestClient, at_work: LeaseHolder) -> None:
    answer = anonymous.get("/readyz")
    assert answer.status_code == 200
    checks = dict.fromkeys(("database", "registry", "executor", "reconciler"), "ok")
    assert answer.json() == {"ready": True, "checks": checks}
    assert answer.headers["Cache-Control"] == "no-store"


def test_without_a_reconciler(anonymous: TestClient, at_work: LeaseHolder) -> None:
    at_work.release()
    answer = anonymous.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["checks"]["reconciler"] == "no reconciler is at work"
    assert answer.json()["checks"]["database"] == "ok"


def test_a_process_may_be_ready_where_the_service_is_not(anonymous: TestClient) -> None:
    assert anonymous.get("/readyz").status_code == 503
    answer = anonymous.get("/readyz", params={"of": "process"})
    checks = dict.fromkeys(("database", "registry"), "ok")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "checks": checks})


def test_the_executor_is_as_the_reconciler_found_it(
    anonymous: TestClient, at_work: LeaseHolder
) -> None:
    at_work.acquire("Ray does not answer")
    checks = anonymous.get("/readyz").json()["checks"]
    assert (checks["executor"], checks["reconciler"]) == ("Ray does not answer", "ok")


def test_a_failing_part_is_named_and_its_secrets_are_not(
    anonymous: TestClient, services: Container, at_work: LeaseHolder
) -> None:
    with patch.object(services.registry, "optimizers", side_effect=OSError(SECRET)):
        answer = anonymous.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["registry"] == "failed with OSError"
    assert answer.json()["checks"]["database"] == "ok"
    assert "hunter2" not in answer.text


def test_a_full_disk_is_named(
    anonymous: TestClient, services: Container, at_work: LeaseHolder
) -> None:
    if not services.database.is_sqlite:
        pytest.skip("the disk of a database server is its own affair")
    full = shutil.disk_usage("/")._replace(free=4096)
    with patch("services.database.base.shutil.disk_usage", return_value=full):
        answer = anonymous.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "nothing can be written: its disk is full"


async def examine(examiner: Examiner) -> dict[str, str]:
    return await examiner.examine()


def test_a_hanging_part_is_named_in_bounded_time(services: Container, at_work: LeaseHolder) -> None:
    import anyio

    release = threading.Event()
    with patch.object(services.registry, "optimizers", side_effect=lambda: release.wait(30)):
        examiner = Examiner(services.database, services.registry, services.lease, limit_seconds=0.2)
        began = time.monotonic()
        outcomes = [anyio.run(examine, examiner) for _ in range(2)]
        assert time.monotonic() - began < 3
        release.set()
    for checks in outcomes:
        assert checks["registry"] == "no answer within 0.2 s"
        assert checks["reconciler"] == "ok"
