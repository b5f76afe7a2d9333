"""Rate limits: arithmetic of the buckets, and the answer to a client that sends too much."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from services.app import create_app
from services.auth.throttling import MAX_BUCKETS, RateLimit
from services.container import Container


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_holds_a_burst_and_fills_steadily() -> None:
    clock = Clock()
    limit = RateLimit(2.0, 3.0, clock)
    assert [limit.seconds_to_wait("a") for _ in range(6)] == [0.0] * 6
    assert limit.seconds_to_wait("a") == pytest.approx(0.5)
    assert limit.seconds_to_wait("b") == 0.0
    clock.now = 0.5
    assert limit.seconds_to_wait("a") == 0.0
    assert limit.seconds_to_wait("a") == pytest.approx(0.5)
    clock.now = 1000.0
    assert [limit.seconds_to_wait("a") for _ in range(7)].count(0.0) == 6


def test_a_slow_limit_still_lets_one_through() -> None:
    clock = Clock()
    limit = RateLimit(0.1, 1.0, clock)
    assert limit.seconds_to_wait("a") == 0.0
    assert limit.seconds_to_wait("a") == pytest.approx(10.0)


def test_zero_is_no_limit_and_memory_is_bounded() -> None:
    assert not any(RateLimit(0.0, 1.0).seconds_to_wait("a") for _ in range(1000))
    limit = RateLimit(1.0, 1.0, Clock())
    for number in range(2 * MAX_BUCKETS):
        limit.seconds_to_wait(str(number))
    assert len(limit._buckets) <= MAX_BUCKETS


@pytest.fixture
def narrow(services: Container) -> Iterator[TestClient]:
    """Takes bursts of four requests and of two writes.

    Buckets fill so slowly that no pause of the machine matters.
    """
    limits = {
        "requests_per_second": 0.004,
        "writes_per_second": 0.002,
        "rate_burst_seconds": 1000.0,
    }
    services_with_limits = Container(
        settings=services.settings.model_copy(update=limits),
        database=services.database,
        registry=services.registry,
    )
    with TestClient(create_app(services_with_limits)) as client:
        yield client


def test_too_many_requests_are_told_when_to_come_again(
    narrow: TestClient, services: Container
) -> None:
    keys = [
        {"Authorization": f"Bearer {services.api_keys.create(name, ['submit']).key}"}
        for name in ("a", "b")
    ]
    writes = [narrow.post("/v1/jobs/job_nobody/cancel", headers=keys[0]) for _ in range(3)]
    assert [answer.status_code for answer in writes] == [404, 404, 429]
    assert writes[-1].json()["type"] == "/problems/too-many-requests"
    assert int(writes[-1].headers["Retry-After"]) >= 1
    reads = [narrow.get("/v1/jobs", headers=keys[0]).status_code for _ in range(3)]
    assert reads[0] == 200
    assert reads[-1] == 429
    assert narrow.get("/v1/jobs", headers=keys[1]).status_code == 200
    assert narrow.get("/livez").status_code == 200
