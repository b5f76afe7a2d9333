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
        async with slots.hold("red"):
            for project in ("red", "blue"):
                with pytest.raises(Unavailable, match="1 in all"):
                    async with slots.hold(project):
                        pass
        async with slots.hold("blue"):
            pass

    asyncio.run(play())


def test_one_project_does_not_take_the_turns_of_another() -> None:
    slots = upload_slots.UploadSlots(4)
    at_work: list[str] = []

    async def upload(project: str, end: asyncio.Event) -> None:
        async with slots.hold(project):
            at_work.append(project)
            await end.wait()
            at_work.remove(project)

    async def play() -> None:
        ends = [asyncio.Event() for _ in range(9)]
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(upload("red", ends[number]))
            await _settle()
            assert at_work == ["red"] * 2
            for number, project in ((6, "blue"), (7, "blue"), (8, "green")):
                group.create_task(upload(project, ends[number]))
                await _settle()
            assert at_work == ["red", "red", "blue", "green"]
            ends[0].set()
            await _settle()
            assert at_work == ["red", "blue", "green"]  # the free one is for whoever has none
            ends[6].set()
            await _settle()
            assert sorted(at_work) == ["blue", "green", "red"]
            for end in ends:
                end.set()
        assert not at_work

    asyncio.run(play())


def test_who_gives_up_leaves_its_turn_to_others() -> None:
    slots = upload_slots.UploadSlots(1)

    async def play() -> None:
        async def upload() -> None:
            async with slots.hold("red"):
                pass

        async with slots.hold("red"):
            tasks = [asyncio.create_task(upload()) for _ in range(3)]
            await _settle()
            tasks[0].cancel()
        tasks[1].cancel()  # just when it has been given the turn
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2 + [
            type(None)
        ]

    asyncio.run(play())


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


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
