"""Clients that begin requests and do not end them, and clients that are too many."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from services.patient_protocol import PatientProtocol, count_connections
from services.serving import listen

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers after the body has come; `/busy` never, `/much` with more than any buffer holds."""
    if scope["path"] == "/busy":
        await asyncio.sleep(60)
    while (await receive()).get("more_body"):
        pass
    size = 2**26 if scope["path"] == "/much" else 0
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200 if size else 204, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(size)})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(PatientProtocol, "header_seconds", 0.3)
    monkeypatch.setattr(PatientProtocol, "body_seconds", 0.3)
    monkeypatch.setattr(PatientProtocol, "reading_seconds", 0.3)
    monkeypatch.setattr(PatientProtocol, "max_connections", 3)
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
    ],
    ids=["nothing", "half of the headers", "half of the body"],
)
def test_a_request_that_is_not_ended_is_let_go(address: tuple[str, int], begun: bytes) -> None:
    with connect(address) as client:
        client.sendall(begun)
        assert client.recv(1000) == b""


@pytest.mark.slow
def test_a_further_request_has_a_deadline_too(address: tuple[str, int]) -> None:
    with connect(address) as client:
        client.sendall(REQUEST)
        assert b"204" in client.recv(1000)
        time.sleep(0.5)
        client.sendall(REQUEST)
        assert b"204" in client.recv(1000)
        client.sendall(b"GET / ")
        assert client.recv(1000) == b""


def test_a_body_that_arrives_is_answered(address: tuple[str, int]) -> None:
    with connect(address) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        time.sleep(0.1)
        client.sendall(b"whole")
        assert b"204" in client.recv(1000)
        time.sleep(0.5)
        client.sendall(REQUEST)
        assert b"204" in client.recv(1000)


@pytest.mark.slow
def test_who_does_not_read_the_answer_is_let_go(address: tuple[str, int]) -> None:
    with connect(address) as client:
        client.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)
        n_bytes = 0
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(2**20):
                n_bytes += len(data)
        assert n_bytes < 2**26


def test_one_that_waits_for_its_client_gives_way_to_a_new_one(address: tuple[str, int]) -> None:
    half_sent = [connect(address) for _ in range(3)]
    for client in half_sent:
        client.sendall(b"GET / ")
        time.sleep(0.02)
    with connect(address) as late:
        late.sendall(REQUEST)
        assert b"204" in late.recv(1000)
    for client in half_sent:
        client.close()


def test_more_requests_than_may_be_are_closed(address: tuple[str, int]) -> None:
    busy = [connect(address) for _ in range(3)]
    for client in busy:
        client.sendall(b"GET /busy HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.1)
    with connect(address) as late:
        assert late.recv(1000) == b""
    for client in busy:
        client.close()


def test_connections_leave_descriptors_for_the_rest() -> None:
    assert count_connections() >= 64
