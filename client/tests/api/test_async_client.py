"""What both clients hand back is the same: a value, not the answer it came in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hyperadam.api import AsyncClient, BadAnswer, Client, RetryPolicy, Version


def test_whether_the_server_lives_is_true_or_false(
    server: Any, answer: Any, client: Client, quick: RetryPolicy
) -> None:
    async def ask() -> bool:
        async with AsyncClient(server.url, "key", retry=quick) as async_client:
            return await async_client.live()

    server.script = [answer(200, {}), answer(200, {})]
    assert client.live() is True
    assert asyncio.run(ask()) is True


def test_versions_come_one_by_one(
    server: Any, answer: Any, client: Client, quick: RetryPolicy, version: dict[str, Any]
) -> None:
    async def collect() -> list[Version]:
        async with AsyncClient(server.url, "key", retry=quick) as async_client:
            versions = async_client.optimizers.versions("hyperadam", archived=True)
            return [item async for item in versions]

    page = {"items": [version, version | {"number": 2}], "next_cursor": None}
    server.script = [answer(200, page), answer(200, page)]
    assert [item.number for item in client.optimizers.versions("hyperadam")] == [3, 2]
    assert [item.number for item in asyncio.run(collect())] == [3, 2]
    first, second = (request.path for request in server.requests)
    assert "archived" not in first
    assert "archived=true" in second


def test_keys_are_listed(server: Any, answer: Any, client: Client) -> None:
    key = {
        "id": "key_1",
        "name": "alice",
        "scopes": ["read"],
        "created_at": "2026-01-02T03:04:05Z",
        "revoked_at": None,
        "last_used_at": None,
        "expires_at": None,
    }
    server.script = [answer(200, {"items": [key], "next_cursor": None})]
    assert [item.name for item in client.keys.list()] == ["alice"]


CHANGE = {
    "alias": "champion",
    "old_version": None,
    "new_version": 1,
    "actor": "alice",
    "reason": "",
    "changed_at": "2026-01-02T03:04:05Z",
    "protected": False,
}


def test_a_history_in_pages_is_one(server: Any, answer: Any, client: Client) -> None:
    alias = {"alias": "champion", "version": 1, "protected": False}
    page = {"items": [alias], "history": [CHANGE, CHANGE], "next_cursor": "2"}
    last = {"items": [alias], "history": [CHANGE], "next_cursor": None}
    server.script = [answer(200, page), answer(200, last)]
    aliases = client.optimizers.aliases("hyperadam")
    assert (len(aliases.items), len(aliases.history)) == (1, 3)
    assert len(aliases.raw["history"]) == 3
    assert "cursor=2" in server.requests[1].path


def test_a_history_without_an_end_is_refused(
    server: Any, answer: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperadam.api.pages.MAX_PAGES", 3)
    page = {"items": [], "history": [CHANGE], "next_cursor": "1"}
    server.script = [answer(200, page)] * 3
    with pytest.raises(BadAnswer, match="more than 3 pages"):
        client.optimizers.aliases("hyperadam")
