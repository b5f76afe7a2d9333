"""Uploads in flight are bounded, and hostile ones cost neither memory nor the event loop."""

from __future__ import annotations

import asyncio
import resource
import threading
import time

import httpx2
import pytest
from fastapi.testclient import TestClient

from services.app import create_app
from services.container import Container
from services.optimizers import upload_slots
from services.problems import BadRequest, Unavailable
from services.settings import Settings
from tests.registry.thetas import make_theta

PATH = "/v1/optimizers/mine/versions"
BINARY = {"Content-Type": "application/octet-stream"}
MIB = 2**20


def make_hostile_file() -> bytes:
    """15 MiB of `[{},{},…]` as a header."""
    header = b"[" + b"{}," * (5 * MIB - 1) + b"{}]"
    return len(header).to_bytes(8, "little") + header


def test_twenty_hostile_uploads(client: TestClient) -> None:
    data = make_hostile_file()
    statuses: list[int] = []
    slowest = 0.0

    def upload() -> None:
        answer = client.post(PATH, content=data, headers=BINARY)
        statuses.append(answer.status_code)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    threads = [threading.Thread(target=upload) for _ in range(20)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        begin = time.monotonic()
        assert client.get("/livez").status_code == 200
        slowest = max(slowest, time.monotonic() - begin)
    for thread in threads:
        thread.join()

    grown_bytes = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert statuses == [422] * 20
    assert slowest < 5
    assert grown_bytes < 1024 * MIB


def test_turns_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        monkeypatch.setattr(upload_slots, "WAIT_SECONDS", 0.05)
        slots = upload_slots.UploadSlots(1)
        async with slots.hold():
            with pytest.raises(Unavailable, match="1 uploads are under way"):
                async with slots.hold():
                    pass
        async with slots.hold():
            pass

    asyncio.run(play())


def test_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        monkeypatch.setattr(upload_slots, "BODY_SECONDS", 0.05)

        class SilentRequest:
            async def body(self) -> bytes:
                await asyncio.sleep(60)
                return b""

        with pytest.raises(BadRequest, match="did not arrive"):
            await upload_slots.read_body(SilentRequest())  # type: ignore[arg-type]

    asyncio.run(play())


def test_uploads_that_wait_are_taken(services: Container, settings: Settings) -> None:
    async def play() -> None:
        assert settings.max_uploads == 4
        key = services.api_keys.create("tester", ["admin"]).key
        transport = httpx2.ASGITransport(create_app(services))
        headers = {**BINARY, "Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://test", headers=headers
        ) as http:
            data = [make_theta(seed).to_bytes() for seed in range(12)]
            answers = await asyncio.gather(*(http.post(PATH, content=file) for file in data))
        assert [answer.status_code for answer in answers] == [201] * 12

    asyncio.run(play())
