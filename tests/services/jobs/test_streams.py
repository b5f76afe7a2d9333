"""Server-sent events over a real server on loopback: in order, resumable, ended by the job or the
server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import httpx2
import pytest

from services.container import Container
from services.serving import ApiServer, format_url, listen
from tests.services.support import Stage

pytestmark = pytest.mark.slow


@dataclass
class Message:
    id: str = ""
    event: str = ""
    data: str = ""
    comments: list[str] = field(default_factory=list)


@pytest.fixture
def server(services: Container) -> Iterator[httpx2.Client]:
    with serving(services) as client:
        yield client


@contextmanager
def serving(services: Container) -> Iterator[httpx2.Client]:
    """A real uvicorn, as the command runs it."""
    ready = threading.Event()
    listener = listen("127.0.0.1", 0)
    server = ApiServer(services, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(10)
    key = services.api_keys.create("streamer", ["read"]).key
    with httpx2.Client(
        base_url=format_url(listener), headers={"Authorization": f"Bearer {key}"}, timeout=10
    ) as client:
        yield client
    services.stopping.set()
    server.should_exit = True
    thread.join(10)
    listener.close()
    assert not thread.is_alive()


@contextmanager
def stream(server: httpx2.Client, job_id: str, **headers: str) -> Iterator[Iterator[Message]]:
    headers = {
        "Accept": "text/event-stream",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    with server.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.iter_lines())


def messages(lines: Iterator[str]) -> Iterator[Message]:
    message = Message()
    for line in lines:
        name, _, value = line.partition(": ")
        if not line:
            yield message
            message = Message()
        elif not name:
            message.comments.append(value)
        else:
            setattr(message, name, getattr(message, name) + value)


def test_stream_gives_all_events_live_and_ends_with_the_job(
    server: httpx2.Client, stage: Stage
) -> None:
    job = stage.submit()
    with stream(server, job) as received:
        assert next(received).comments
        stage.tick()
        stage.drive(job, ("started", {"n_updates": 2}))
        stage.tick()
        live = [message for message in islice(received, 8) if message.event][:3]
        stage.finish(job, "succeeded")
        stage.tick()
        rest = [message for message in received if message.event]
    assert [message.event for message in live + rest] == [
        event["type"] for event in stage.events(job)
    ]
    assert [message.id for message in live + rest] == [
        str(event["id"]) for event in stage.events(job)
    ]
    assert rest[-1].event == "job.ended"
    assert [httpx2.Response(200, text=m.data).json() for m in live + rest] == stage.events(job)


@pytest.mark.parametrize("after", [0, 3, 6])
def test_stream_resumes_after_the_last_event(
    server: httpx2.Client, stage: Stage, after: int
) -> None:
    job = stage.submit()
    stage.tick()
    stage.drive(job, ("started", {}), ("checkpoint", {"update": 1}))
    stage.finish(job, "succeeded")
    stage.tick()
    with stream(server, job, Last_Event_ID=str(after)) as received:
        ids = [int(message.id) for message in received if message.event]
    n_events = len(stage.events(job))
    assert ids == list(range(after + 1, n_events + 1))


def test_stream_of_an_ended_job_ends_even_after_its_last_event(
    server: httpx2.Client, stage: Stage
) -> None:
    job = stage.submit()
    stage.act(job, "cancel")
    last = str(len(stage.events(job)))
    with stream(server, job, Last_Event_ID=last) as received:
        assert [message for message in received if message.event] == []


def test_stream_goes_past_an_end_that_was_retried(server: httpx2.Client, stage: Stage) -> None:
    job = stage.submit()
    stage.act(job, "cancel")
    stage.act(job, "retry")
    stage.act(job, "cancel")
    with stream(server, job) as received:
        sent = [message for message in received if message.event]
    assert [message.event for message in sent].count("job.ended") == 2
    assert [int(message.id) for message in sent] == [event["id"] for event in stage.events(job)]


def test_nothing_is_missed_or_repeated_when_the_api_is_started_anew(
    services: Container, stage: Stage
) -> None:
    job = stage.submit()
    stage.tick()
    stage.drive(job, *(("checkpoint", {"update": n}) for n in range(3)))
    stage.tick()
    seen: list[int] = []

    def collect(received: Iterator[Message]) -> None:
        seen.extend(int(message.id) for message in received if message.event)

    with serving(services) as first, stream(first, job) as received:
        collect(islice(received, 4))
        services.stopping.set()
        collect(received)
    stage.drive(job, *(("checkpoint", {"update": n}) for n in range(3, 6)))
    stage.tick()
    anew = Container(
        settings=services.settings, database=services.database, registry=services.registry
    )
    with serving(anew) as second, stream(second, job, Last_Event_ID=str(seen[-1])) as received:
        stage.finish(job, "succeeded")
        stage.tick()
        collect(received)
    assert seen == [event["id"] for event in stage.events(job)]


def test_silence_is_filled_with_comments(server: httpx2.Client, stage: Stage) -> None:
    with stream(server, stage.submit()) as received:
        assert all(message.comments for message in islice(received, 3))


def test_stream_ends_when_the_server_stops(
    server: httpx2.Client, stage: Stage, services: Container
) -> None:
    with stream(server, stage.submit()) as received:
        next(received)
        services.stopping.set()
        begin = time.monotonic()
        assert [message for message in received if message.event] == []
    assert time.monotonic() - begin < 3


def test_unknown_job_and_malformed_position_are_problems(
    server: httpx2.Client, stage: Stage
) -> None:
    headers = {"Accept": "text/event-stream"}
    assert server.get("/v1/jobs/job_nobody/events", headers=headers).status_code == 404
    wrong = server.get(
        f"/v1/jobs/{stage.submit()}/events", headers={**headers, "Last-Event-ID": "x"}
    )
    assert wrong.status_code == 422
