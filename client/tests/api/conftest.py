"""A loopback server that misbehaves to order: for retries, broken bodies and broken streams. All
else is tested against the real application, in the server's own tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from hyperadam.api import Client, RetryPolicy
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hyperadam.theta import Theta


@dataclass
class Answer:
    """One answer. `lost` bytes are announced but never sent: the connection breaks off."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    drop: bool = False
    """Close the connection without a word."""

    @property
    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class ReceivedRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Misbehaving:
    """Gives the scripted answers, one a request, and remembers the requests."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.requests: list[ReceivedRequest] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(server: Misbehaving) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append(
                    ReceivedRequest(self.command, self.path, headers, self.rfile.read(length))
                )
                answer = server.script.pop(0)
                self.close_connection = True
                if answer.drop:
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.payload) + answer.lost))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(answer.payload)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    misbehaving = Misbehaving()
    yield misbehaving
    misbehaving.stop()
    assert misbehaving.script == [], "answers that nobody asked for"


@pytest.fixture
def answer() -> type[Answer]:
    return Answer


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the user's cache, server or key."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HYPERADAM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HYPERADAM_URL", raising=False)
    monkeypatch.delenv("HYPERADAM_API_KEY", raising=False)
    return tmp_path / "cache" / "hyperadam"


@pytest.fixture
def quick() -> RetryPolicy:
    return RetryPolicy(
        n_attempts=4, n_follow_attempts=4, first_delay_seconds=0.001, max_delay_seconds=0.002
    )


@pytest.fixture
def client(server: Misbehaving, quick: RetryPolicy) -> Iterator[Client]:
    loopback = httpx2.HTTPTransport(verify=False)  # spares each test the reading of certificates
    with Client(server.url, "key", retry=quick, timeout=5, transport=loopback) as client:
        yield client


@pytest.fixture(scope="session")
def theta() -> Theta:
    rule = HyperAdamRule(HyperAdamSpec())
    tensors = rule.init_theta(torch.Generator().manual_seed(0), "paper")
    return Theta.from_vector(rule, rule.pack(tensors), rate=Rate(lr=0.005), provenance={"seed": 0})


@pytest.fixture
def version(theta: Theta) -> dict[str, Any]:
    return {
        "optimizer": "hyperadam",
        "number": 3,
        "sha256": theta.sha256,
        "size_bytes": len(theta.to_bytes()),
        "created_at": "2026-01-02T03:04:05Z",
        "job_id": "job_1",
        "manifest": theta.manifest,
        "tags": {},
        "aliases": ["champion"],
    }


@pytest.fixture
def pulled(
    server: Any, answer: Any, client: Client, theta: Theta, version: dict[str, Any]
) -> Client:
    """A client that has version 3 in its cache."""
    server.script = [answer(200, version), answer(200, theta.to_bytes())]
    client.optimizers.pull("hyperadam@3")
    server.requests.clear()
    return client
