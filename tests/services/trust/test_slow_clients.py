"""Clients that begin requests and do not end them, and clients that are too many."""

from __future__ import annotations

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
    del scope, receive
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(PatientProtocol, "header_seconds", 0.3)
    monkeypatch.setattr(PatientProtocol, "max_connections", 3)
    config = uvicorn.Config(app, http=PatientProtocol, log_config=None, lifespan="off")
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


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_request_that_is_not_ended_is_let_go(address: tuple[str, int], begun: bytes) -> None:
    with connect(address) as client:
        client.sendall(begun)
        assert client.recv(1000) == b""


def test_a_further_request_has_a_deadline_too(address: tuple[str, int]) -> None:
    with connect(address) as client:
        client.sendall(REQUEST)
        assert b"204" in client.recv(1000)
        time.sleep(0.5)
        client.sendall(REQUEST)
        assert b"204" in client.recv(1000)
        client.sendall(b"GET / ")
        assert client.recv(1000) == b""


def test_more_connections_than_may_be_are_closed_and_others_answered(
    address: tuple[str, int],
) -> None:
    held = [connect(address) for _ in range(3)]
    for client in held:
        client.sendall(REQUEST)
        assert b"204" in client.recv(1000)
    with connect(address) as late:
        assert late.recv(1000) == b""
    held[0].sendall(REQUEST)
    assert b"204" in held[0].recv(1000)
    for client in held:
        client.close()


def test_connections_leave_descriptors_for_the_rest() -> None:
    assert count_connections() >= 64
