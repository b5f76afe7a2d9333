"""Who listens on the port of a server that was killed gets no key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hyperadam.api import AsyncClient, Client, ConfigurationError, UnprovenServer
from hyperadam.api.proof import CHALLENGE_HEADER, PROOF_HEADER, make_proof

PROOF_KEY = "only the home has it"


@pytest.fixture
def home(tmp_path: Path, server: Any) -> Path:
    """What a server left behind that listened where `server` listens now."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name, secret in {"api-key": "the-admin-key", "proof-key": PROOF_KEY}.items():
        (folder / name).write_text(secret)
        (folder / name).chmod(0o600)
    files = {"api_key_file": "api-key", "proof_key_file": "proof-key"}
    (folder / "server.json").write_text(json.dumps({"url": server.url, **files}))
    return folder


class Proof(Mapping[str, str]):
    """Headers of an answer that prove what is needed, once the challenge is known."""

    def __init__(self, server: Any, url: str) -> None:
        self._server = server
        self._url = url

    def __iter__(self) -> Iterator[str]:
        return iter([PROOF_HEADER])

    def __len__(self) -> int:
        return 1

    def __getitem__(self, name: str) -> str:
        challenge = self._server.requests[-1].headers[CHALLENGE_HEADER.lower()]
        return make_proof(PROOF_KEY, challenge, self._url)


def list_keys_shown(server: Any) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.requests]


@pytest.mark.parametrize("headers", [{}, {PROOF_HEADER: "0" * 64}, {PROOF_HEADER: "ü"}])
def test_a_process_that_cannot_prove_itself_gets_no_key(
    home: Path, server: Any, answer: Any, headers: dict[str, str]
) -> None:
    server.script = [answer(body={"status": "ok"}, headers=headers)]
    with Client() as client, pytest.raises(UnprovenServer, match="was not sent the API key"):
        client.jobs.get("job_a")
    assert list_keys_shown(server) == [None]


def test_it_gets_none_from_an_asynchronous_client(home: Path, server: Any, answer: Any) -> None:
    async def play() -> None:
        async with AsyncClient() as client:
            await client.jobs.get("job_a")

    server.script = [answer(body={"status": "ok"})]
    with pytest.raises(UnprovenServer):
        asyncio.run(play())
    assert list_keys_shown(server) == [None]


def test_a_proof_of_the_real_server_elsewhere_is_none(home: Path, server: Any, answer: Any) -> None:
    server.script = [answer(headers=Proof(server, "http://127.0.0.1:1"))]
    with Client() as client, pytest.raises(UnprovenServer):
        client.ready()
    assert list_keys_shown(server) == [None]


def test_the_server_itself_proves_itself_before_each_request(
    home: Path, server: Any, answer: Any
) -> None:
    ready = answer(body={"ready": True, "checks": {}})
    proof = answer(headers=Proof(server, server.url))
    server.script = [proof, ready, proof, ready]
    with Client() as client:
        assert client.ready().ready
        assert client.ready().ready
    assert list_keys_shown(server) == [None, "Bearer the-admin-key"] * 2
    challenges = [request.headers.get(CHALLENGE_HEADER.lower()) for request in server.requests]
    assert challenges[0] != challenges[2]


def test_a_server_that_the_user_names_needs_no_proof(home: Path, server: Any, answer: Any) -> None:
    server.script = [answer(body={"ready": True, "checks": {}})]
    with Client(server.url, "key") as client:
        assert client.ready().ready


@pytest.mark.parametrize("proof_key_file", [None, "lost"])
def test_a_server_without_a_proof_is_started_again(home: Path, proof_key_file: str | None) -> None:
    announced = json.loads((home / "server.json").read_text())
    announced["proof_key_file"] = proof_key_file
    (home / "server.json").write_text(json.dumps(announced))
    with pytest.raises(ConfigurationError, match="stop it and start it again"):
        Client()
