"""What is tried again, how often, and how the failures end."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hyperadam.api import (
    AsyncClient,
    BadAnswer,
    Client,
    Conflict,
    InternalError,
    RetryPolicy,
    ServerUnreachable,
    Unavailable,
)
from hyperadam.api.errors import ApiError, DamagedDownload, NotFound
from hyperadam.api.retry import parse_retry_after

JOB = {
    "id": "job_1",
    "kind": "meta-training",
    "state": "queued",
    "spec": {},
    "created_at": "2026-01-02T03:04:05Z",
}
BUSY = {
    "type": "/problems/unavailable",
    "title": "Unavailable",
    "status": 503,
    "detail": "starting",
    "request_id": "r1",
}


def test_a_get_is_tried_again_after_a_503_and_a_broken_connection(
    server: Any, answer: Any, client: Client
) -> None:
    server.script = [
        answer(503, BUSY),
        answer(drop=True),
        answer(200, JOB, lost=7),
        answer(200, JOB),
    ]
    assert client.jobs.get("job_1").state == "queued"
    assert len(server.requests) == 4


def test_retries_end_with_the_servers_own_words(server: Any, answer: Any, client: Client) -> None:
    server.script = [answer(503, BUSY) for _ in range(4)]
    with pytest.raises(Unavailable, match="starting") as caught:
        client.jobs.get("job_1")
    assert (caught.value.problem, caught.value.request_id, caught.value.status) == (
        "unavailable",
        "r1",
        503,
    )


def test_retries_end_with_server_unreachable(server: Any, answer: Any, client: Client) -> None:
    server.script = [answer(drop=True) for _ in range(4)]
    with pytest.raises(ServerUnreachable, match=server.url) as caught:
        client.jobs.get("job_1")
    assert caught.value.maybe_done


def test_a_submission_is_repeated_under_one_key(server: Any, answer: Any, client: Client) -> None:
    server.script = [answer(drop=True), answer(503, BUSY), answer(201, JOB), answer(201, JOB)]
    client.jobs.submit("meta-training", {"preset": "quick"})
    client.jobs.submit("meta-training", {"preset": "quick"})
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert server.requests[0].body == server.requests[2].body


@pytest.mark.parametrize("reply", ["drop", "busy"])
def test_what_is_not_idempotent_is_done_once(
    server: Any, answer: Any, client: Client, reply: str
) -> None:
    server.script = [answer(drop=True) if reply == "drop" else answer(503, BUSY)]
    with pytest.raises((ServerUnreachable, Unavailable)):
        client.optimizers.delete_alias("hyperadam", "champion")
    assert len(server.requests) == 1


def test_an_action_is_repeated_under_one_key(server: Any, answer: Any, client: Client) -> None:
    server.script = [answer(drop=True), answer(503, BUSY), answer(202, JOB)]
    assert client.jobs.cancel("job_1").id == "job_1"
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_a_considered_answer_is_final(
    server: Any, answer: Any, client: Client, status: int
) -> None:
    server.script = [answer(status, {"type": "about:blank"})]
    with pytest.raises(ApiError):
        client.jobs.get("job_1")


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_an_answer_that_says_not_now_is_tried_again(
    server: Any, answer: Any, client: Client, status: int
) -> None:
    server.script = [answer(status, {"type": "about:blank"}), answer(200, JOB)]
    assert client.jobs.get("job_1").id == "job_1"


def test_retry_after_is_obeyed(
    server: Any, answer: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("hyperadam.api.bridge.time.sleep", waits.append)
    server.script = [
        answer(429, BUSY, {"Retry-After": "7"}),
        answer(503, BUSY, {"Retry-After": "0"}),
        answer(200, JOB),
    ]
    client.jobs.get("job_1")
    assert waits == [7.0, 0.0]


def test_a_retry_after_that_is_too_long_is_an_answer(
    server: Any, answer: Any, client: Client
) -> None:
    server.script = [answer(503, BUSY, {"Retry-After": "3600"})]
    with pytest.raises(Unavailable):
        client.jobs.get("job_1")


def test_the_longest_wait_that_is_obeyed_is_the_policys() -> None:
    policy = RetryPolicy(max_retry_after_seconds=60)

    def delay_seconds(retry_after: str) -> float | None:
        busy = Unavailable("busy", status=503, retry_after=retry_after)
        return policy.delay_seconds(busy, 1)

    assert delay_seconds("60") == 60
    assert delay_seconds("61") is None


def test_retry_after_forms() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert parse_retry_after("12") == 12.0
    assert parse_retry_after(format_datetime(soon, usegmt=True)) == pytest.approx(30, abs=2)
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert [parse_retry_after(text) for text in (None, "", "soon", "-1")] == [None] * 4


def test_back_off_doubles_up_to_its_ceiling() -> None:
    random.seed(0)
    policy = RetryPolicy(first_delay_seconds=1.0, max_delay_seconds=8.0)
    for failures, ceiling in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 8.0), (5000, 8.0)):
        draws = [policy.backoff_seconds(failures) for _ in range(50)]
        assert ceiling / 2 <= min(draws) < max(draws) <= ceiling


def test_a_request_that_never_left_may_be_repeated_whatever_it_is() -> None:
    policy = RetryPolicy()
    never_left = ServerUnreachable("refused", maybe_done=False)
    assert policy.delay_seconds(never_left, 1, idempotent=False) is not None
    assert (
        policy.delay_seconds(ServerUnreachable("cut", maybe_done=True), 1, idempotent=False) is None
    )
    assert policy.delay_seconds(never_left, policy.n_attempts) is None
    assert policy.delay_seconds(DamagedDownload("cut"), 1) is not None
    assert policy.delay_seconds(NotFound("gone", status=404), 1) is None


def test_the_asynchronous_client_retries_alike(
    server: Any, answer: Any, quick: RetryPolicy
) -> None:
    server.script = [
        answer(503, BUSY),
        answer(drop=True),
        answer(200, JOB),
        answer(409, {"type": "/problems/conflict", "state": "failed"}),
    ]

    async def scenario() -> None:
        async with AsyncClient(server.url, "key", retry=quick) as client:
            assert (await client.jobs.get("job_1")).id == "job_1"
            with pytest.raises(Conflict) as caught:
                await client.jobs.cancel("job_1")
            assert caught.value.state == "failed"

    asyncio.run(scenario())


def test_the_blocking_client_works_inside_a_running_loop(
    server: Any, answer: Any, client: Client
) -> None:
    server.script = [
        answer(200, {"items": [JOB, JOB], "next_cursor": "c"}),
        answer(200, {"items": [], "next_cursor": None}),
    ]

    async def notebook() -> int:
        return len(list(client.jobs.list()))

    assert asyncio.run(notebook()) == 2


def test_no_server_is_server_unreachable(quick: RetryPolicy) -> None:
    with (
        Client("http://127.0.0.1:9", "key", retry=quick) as client,
        pytest.raises(ServerUnreachable) as caught,
    ):
        client.jobs.cancel("job_1")
    assert not caught.value.maybe_done


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"<html>hello</html>", {"Content-Type": "text/html"}),
        (200, [1, 2], {}),
        (200, {**JOB, "created_at": "yesterday"}, {}),
        (200, {**JOB, "state": 3}, {}),
        (200, {"id": "job_1"}, {}),
        (302, b"", {"Location": "https://login.example"}),
    ],
)
def test_what_is_not_the_api_is_a_bad_answer(
    server: Any, answer: Any, client: Client, status: int, body: Any, headers: dict[str, str]
) -> None:
    server.script = [answer(status, body, headers)]
    with pytest.raises(BadAnswer):
        client.jobs.get("job_1")


def test_an_error_page_of_a_proxy_keeps_its_status(
    server: Any, answer: Any, client: Client
) -> None:
    server.script = [
        answer(500, b"<html>", {"X-Request-Id": "r9"}),
        answer(500, {"type": "/problems/internal", "title": "Oops"}),
    ]
    with pytest.raises(ApiError, match="500") as caught:
        client.jobs.get("job_1")
    assert (caught.value.status, caught.value.problem, caught.value.request_id) == (500, None, "r9")
    with pytest.raises(InternalError, match="Oops"):
        client.jobs.get("job_1")


def test_a_name_never_becomes_another_path(client: Client) -> None:
    for job_id in ("", ".", ".."):
        with pytest.raises(ValueError, match="not a name"):
            client.jobs.get(job_id)
    assert (
        client.jobs._twin._session.wire.build("GET", "/v1/jobs/a%2Fb").url.raw_path
        == b"/v1/jobs/a%2Fb"
    )
