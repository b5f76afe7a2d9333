"""Live events over connections that break, and files that arrive damaged."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hyperadam.api import (
    AsyncClient,
    BadAnswer,
    Client,
    DamagedDownload,
    Event,
    RetryPolicy,
    ServerUnreachable,
    Unavailable,
)

TIME = "2026-01-02T03:04:05Z"
SSE = {"Content-Type": "text/event-stream"}


def event(number: int, kind: str = "progress") -> dict[str, Any]:
    return {"id": number, "type": kind, "time": TIME, "attempt": 1, "data": {"update": number}}


def stream(*events: dict[str, Any]) -> bytes:
    blocks = [
        f"id: {data['id']}\nevent: {data['type']}\ndata: {json.dumps(data)}\n\n" for data in events
    ]
    return (": ping\n\n" + "".join(blocks)).encode()


ENDED = event(5, "job.ended")


def numbers(events: Any) -> list[int]:
    return [item.id for item in events]


def test_follow_ends_with_the_last_event(server: Any, answer: Any, client: Client) -> None:
    server.script = [answer(200, stream(event(1), event(2), event(3), event(4), ENDED), SSE)]
    events = list(client.jobs.follow("job_1"))
    assert numbers(events) == [1, 2, 3, 4, 5]
    assert isinstance(events[0], Event)
    assert events[0].data == {"update": 1}
    assert server.requests[0].headers["accept"] == "text/event-stream"
    assert "last-event-id" not in server.requests[0].headers


def test_broken_streams_are_resumed_without_gap_or_repeat(
    server: Any, answer: Any, client: Client
) -> None:
    half = stream(event(3), event(4))[:-12]
    server.script = [
        answer(200, stream(event(1), event(2)), SSE, lost=100),
        answer(drop=True),
        answer(503, {}),
        answer(200, half, SSE, lost=100),
        answer(200, stream(event(2), event(3), event(4)), SSE),
        answer(200, stream(ENDED), SSE),
    ]
    assert numbers(client.jobs.follow("job_1")) == [1, 2, 3, 4, 5]
    assert [request.headers.get("last-event-id") for request in server.requests] == [
        None,
        "2",
        "2",
        "2",
        "3",
        "4",
    ]


def test_a_gap_is_asked_for_again(server: Any, answer: Any, client: Client) -> None:
    server.script = [
        answer(200, stream(event(1), event(3)), SSE),
        answer(200, stream(event(2), event(3), event(4), ENDED), SSE),
    ]
    assert numbers(client.jobs.events("job_1", follow=True)) == [1, 2, 3, 4, 5]


def test_follow_gives_up_after_failures_in_a_row(server: Any, answer: Any, client: Client) -> None:
    server.script = [
        answer(200, stream(event(1)), SSE, lost=9),
        *(answer(drop=True) for _ in range(3)),
    ]
    ids: list[int] = []
    with pytest.raises(ServerUnreachable):
        ids.extend(numbers(client.jobs.follow("job_1")))
    assert len(server.requests) == 4


def test_a_connection_that_lived_for_a_while_is_no_failure(server: Any, answer: Any) -> None:
    """Here every one did, so that one attempt is enough for any number of them."""
    patient = RetryPolicy(n_follow_attempts=2, first_delay_seconds=0.001, healthy_seconds=0.0)
    n_broken = 4
    server.script = [
        *(answer(drop=True) for _ in range(n_broken)),
        answer(200, stream(event(4), ENDED), SSE),
    ]
    with Client(server.url, "key", retry=patient) as client:
        assert numbers(client.jobs.follow("job_1", after=3)) == [4, 5]


def test_following_a_job_past_its_end_ends(server: Any, answer: Any, client: Client) -> None:
    job = {"id": "job_1", "kind": "evaluation", "state": "failed", "spec": {}, "created_at": TIME}
    server.script = [
        answer(200, b"", SSE),
        answer(200, job),
        answer(200, b"", SSE),
        answer(200, job),
    ]
    assert numbers(client.jobs.follow("job_1", after=5)) == []
    assert server.requests[0].headers["last-event-id"] == "5"


def test_a_stream_of_something_else_is_an_error(server: Any, answer: Any, client: Client) -> None:
    server.script = [answer(200, b"id: 1\ndata: {broken\n\n", SSE)]
    with pytest.raises(BadAnswer, match="not JSON"):
        list(client.jobs.follow("job_1"))


def test_a_follower_that_leaves_early_closes_the_connection(
    server: Any, answer: Any, client: Client
) -> None:
    server.script = [
        answer(200, stream(event(1), event(2)), SSE, lost=5),
        answer(200, stream(event(1)), SSE, lost=5),
    ]
    events = client.jobs.follow("job_1")
    assert next(events).id == 1
    events.close()
    with pytest.raises(StopIteration):
        next(events)
    for item in client.jobs.follow("job_1"):
        assert item.id == 1
        break


def test_the_asynchronous_client_follows_alike(
    server: Any, answer: Any, quick: RetryPolicy
) -> None:
    server.script = [
        answer(200, stream(event(1), event(2)), SSE, lost=10),
        answer(200, stream(event(3), event(4), ENDED), SSE),
    ]

    async def scenario() -> list[int]:
        async with AsyncClient(server.url, "key", retry=quick) as client:
            return [item.id async for item in client.jobs.follow("job_1")]

    assert asyncio.run(scenario()) == [1, 2, 3, 4, 5]


def test_a_download_is_repeated_until_it_is_whole(
    server: Any, answer: Any, client: Client, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 300
    tag = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Content-Type": "image/png"}
    server.script = [
        answer(200, data[:50], tag, lost=1000),
        answer(200, data[:-1] + b"!", tag),
        answer(200, data, tag),
    ]
    path = client.jobs.download_result("job_1", "curves/loss.png", tmp_path)
    assert path == tmp_path / "loss.png"
    assert path.read_bytes() == data
    assert server.requests[0].path == "/v1/jobs/job_1/result/curves/loss.png"


def test_a_failed_download_leaves_what_was_there(
    server: Any, answer: Any, client: Client, tmp_path: Path
) -> None:
    target = tmp_path / "loss.png"
    target.write_bytes(b"old")
    tag = {"ETag": f'"{"0" * 64}"'}
    server.script = [answer(200, b"damaged", tag) for _ in range(4)]
    with pytest.raises(DamagedDownload, match="sha256"):
        client.jobs.download_result("job_1", "loss.png", target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.glob("*partial*")) == []
    assert list(tmp_path.glob(".*")) == []


def test_an_endless_download_is_refused(
    server: Any, answer: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperadam.api.optimizers.MAX_THETA_BYTES", 1000)
    server.script = [answer(200, b"x" * 5000)]
    with pytest.raises(BadAnswer, match="1000 bytes"):
        client.optimizers.weights("hyperadam")


def test_an_outage_is_waited_for_and_told_once(server: Any, answer: Any, client: Client) -> None:
    unavailable = answer(status=503, body={"detail": "starting"})
    server.script = [answer(200, stream(event(1)), SSE, lost=100)]
    server.script += [unavailable] * 8  # twice what the policy allows
    server.script += [answer(200, stream(event(2), event(3), event(4), ENDED), SSE)]
    told: list[str] = []
    events = client.jobs.follow("job_1", outage_seconds=30, on_outage=lambda e: told.append(str(e)))
    assert numbers(events) == [1, 2, 3, 4, 5]
    assert told == ["starting"]


def test_an_outage_has_a_bound(server: Any, answer: Any, client: Client) -> None:
    body = {"type": "/problems/unavailable", "detail": "starting"}
    server.script = [answer(status=503, body=body)]
    with pytest.raises(Unavailable):
        list(client.jobs.follow("job_1", outage_seconds=0))


def test_a_stream_that_a_stopping_server_ends_is_waited_for(
    server: Any, answer: Any, client: Client
) -> None:
    """The server is gone when it is asked whether the job has ended."""
    gone = [answer(drop=True)] * 4
    server.script = [answer(200, stream(), SSE), *gone]
    server.script += [answer(200, stream(*map(event, range(1, 5)), ENDED), SSE)]
    assert numbers(client.jobs.follow("job_1", outage_seconds=30)) == [1, 2, 3, 4, 5]
