"""A server that lies: nothing that it says is used as a path, a number or a text unbounded."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hyperadam.api import BadAnswer, Client, ServerUnreachable
from hyperadam.api import session as session_module
from hyperadam.api.cache import ThetaCache
from hyperadam.api.decode import decode
from hyperadam.api.models import Artifact
from hyperadam.names import InvalidName

GOOD = "ab" * 32


def describe(**changes: Any) -> dict[str, Any]:
    version = {
        "optimizer": "hyperadam",
        "number": 3,
        "sha256": GOOD,
        "size_bytes": 100,
        "created_at": "2026-01-02T03:04:05Z",
    }
    return version | changes


@pytest.mark.parametrize(
    "sha256",
    ["../../victim", "/abs/path/model", GOOD.upper(), GOOD[:-1], GOOD + "\n", "", 7, None],
)
def test_a_digest_is_no_path(
    server: Any, answer: Any, client: Client, cache_dir: Path, tmp_path: Path, sha256: Any
) -> None:
    victim = tmp_path / "victim.safetensors"
    victim.write_bytes(b"mine")
    if sha256 == "/abs/path/model":
        sha256 = str(victim.with_suffix(""))
    server.script = [answer(200, describe(sha256=sha256))]
    with pytest.raises(BadAnswer, match="sha256"):
        client.optimizers.pull("hyperadam@3")
    assert victim.read_bytes() == b"mine"
    assert len(server.requests) == 1
    assert not list(cache_dir.rglob("*"))


@pytest.mark.parametrize("reference", ["hyperadam@1", "hyperadam@01"])
def test_another_number_than_was_pinned(
    server: Any, answer: Any, client: Client, reference: str
) -> None:
    server.script = [answer(200, describe(number=7))]
    with pytest.raises(BadAnswer, match=r"answered with hyperadam@7, not with hyperadam@1"):
        client.optimizers.pull(reference)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 0},
        {"number": -3},
        {"number": 10**400},
        {"number": True},
        {"optimizer": "../other"},
        {"optimizer": "another"},
        {"size_bytes": -1},
        {"metrics": {"loss": 10**308 * 10}},
    ],
)
def test_fields_that_cannot_be(
    server: Any, answer: Any, client: Client, changes: dict[str, Any]
) -> None:
    server.script = [answer(200, describe(**changes))]
    with pytest.raises(BadAnswer):
        client.optimizers.pull("hyperadam@latest")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a": 1' + b"0" * 5000 + b"}",
        b'{"number": 1, "number": 7}',
        b'{"note": "\\ud800"}',
        b"[" + b"{}," * 2_100_000 + b"{}]",
        b"not json",
        b"\xff\xfe",
    ],
    ids=["deep", "digits", "twice", "surrogate", "many", "text", "bytes"],
)
@pytest.mark.parametrize("status", [200, 404])
def test_bodies_that_are_no_answers(
    server: Any, answer: Any, client: Client, body: bytes, status: int
) -> None:
    server.script = [answer(status, body)]
    with pytest.raises(BadAnswer if status == 200 else session_module.HyperAdamError):
        client.optimizers.version("hyperadam", 1)


def test_an_answer_without_end(
    server: Any, answer: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "MAX_ANSWER_BYTES", 1000)
    packed = gzip.compress(b" " * 10**6)
    server.script = [
        answer(200, b" " * 2000),
        answer(200, packed, headers={"Content-Encoding": "gzip"}),
        answer(404, b" " * 2000),
    ]
    for _ in range(3):
        with pytest.raises(BadAnswer, match="more than the 1000 bytes"):
            client.optimizers.version("hyperadam", 1)


def test_an_answer_that_takes_for_ever(
    server: Any, answer: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "MAX_ANSWER_SECONDS", -1.0)
    server.script = [answer(200, describe()) for _ in range(4)]
    with pytest.raises(ServerUnreachable, match="did not end its answer"):
        client.optimizers.version("hyperadam", 3)


def test_an_answer_that_is_packed(server: Any, answer: Any, client: Client) -> None:
    packed = gzip.compress(json.dumps(describe()).encode())
    server.script = [answer(200, packed, headers={"Content-Encoding": "gzip"})]
    assert client.optimizers.version("hyperadam", 3).sha256 == GOOD


def test_the_cache_takes_digests_and_names_alone(tmp_path: Path) -> None:
    cache = ThetaCache(tmp_path / "cache")
    for call in (cache.locate_file, cache.get):
        with pytest.raises(InvalidName):
            call("../../victim")
    with pytest.raises(InvalidName):
        cache.remember("http://a", "../name", 1, GOOD)
    with pytest.raises(InvalidName):
        cache.remember("http://a", "name", 1, "../victim")
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../b", "a//b", ".x", "a/..", ""])
def test_artifacts_lie_below(path: str) -> None:
    with pytest.raises(BadAnswer, match="relative path"):
        decode(Artifact, {"path": path, "size_bytes": 1})
