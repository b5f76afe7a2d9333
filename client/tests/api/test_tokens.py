"""A function in place of a key: it is asked before each request."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hyperadam.api import AsyncClient, Client, ConfigurationError, RetryPolicy


def test_each_request_has_a_fresh_token(server: Any, answer: Any, quick: RetryPolicy) -> None:
    tokens: Iterator[str] = iter(["first", "second", "third"])
    page = {"items": [], "next_cursor": None}
    server.script = [answer(503, {}), answer(200, page), answer(200, page)]
    with Client(server.url, lambda: next(tokens), retry=quick) as client:
        assert list(client.keys.list()) == []
        assert list(client.keys.list()) == []
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer first", "Bearer second", "Bearer third"]


def test_it_does_not_keep_the_event_loop(server: Any, answer: Any, quick: RetryPolicy) -> None:
    threads: list[int] = []

    def give() -> str:
        threads.append(threading.get_ident())
        return "token"

    async def ask() -> bool:
        async with AsyncClient(server.url, give, retry=quick) as client:
            return await client.live()

    server.script = [answer(200, {})]
    assert asyncio.run(ask())
    assert threads[0] != threading.get_ident()
    assert server.requests[0].headers["authorization"] == "Bearer token"


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ä"])
def test_what_is_no_token_is_not_sent(server: Any, quick: RetryPolicy, token: str) -> None:
    client = Client(server.url, lambda: token, retry=quick)
    with client, pytest.raises(ConfigurationError):
        client.live()
    assert server.requests == []


def test_a_server_of_this_machine_has_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address may be another's by now: a token is not sent there without proof."""
    monkeypatch.setenv("HYPERADAM_HOME", str(tmp_path))
    monkeypatch.delenv("HYPERADAM_URL", raising=False)
    (tmp_path / "proof-key").write_text("p" * 64)
    (tmp_path / "proof-key").chmod(0o600)
    server = {"url": "http://127.0.0.1:8400", "proof_key_file": "proof-key"}
    (tmp_path / "server.json").write_text(json.dumps(server))
    with pytest.raises(ConfigurationError, match="needs the server's url"):
        Client(api_key=lambda: "token")
