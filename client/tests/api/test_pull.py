"""Pulling a Θ: resolved once, verified, cached, usable offline when pinned."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import hyperadam
import pytest
import torch
from hyperadam.api import Client, DamagedDownload, NotFound, ServerUnreachable
from hyperadam.api.cache import ThetaCache
from hyperadam.names import InvalidName
from hyperadam.theta import Theta

GONE = {"type": "/problems/not-found", "detail": "no such version", "status": 404}


@pytest.mark.parametrize(
    "reference", ["hyperadam@champion", "hyperadam@latest", "hyperadam", "hyperadam@3"]
)
def test_a_reference_is_resolved_once_and_the_number_is_fetched(
    server: Any, answer: Any, client: Client, theta: Theta, version: dict[str, Any], reference: str
) -> None:
    server.script = [answer(200, version), answer(200, theta.to_bytes())]
    pulled = client.optimizers.pull(reference)
    assert pulled.sha256 == theta.sha256
    assert torch.equal(pulled.vector, theta.vector)
    ref = reference.partition("@")[2] or "latest"
    assert [request.path for request in server.requests] == [
        f"/v1/optimizers/hyperadam/versions/{ref}",
        "/v1/optimizers/hyperadam/versions/3/weights",
    ]


def test_what_is_in_the_cache_is_not_fetched_again(
    server: Any, answer: Any, pulled: Client, theta: Theta, version: dict[str, Any], cache_dir: Path
) -> None:
    server.script = [answer(200, version)]
    assert pulled.optimizers.pull("hyperadam@champion").sha256 == theta.sha256
    assert pulled.optimizers.cached_file(theta.sha256).read_bytes() == theta.to_bytes()
    assert pulled.optimizers.cached_file(theta.sha256).is_relative_to(cache_dir)


def test_a_damaged_cache_entry_is_fetched_again(
    server: Any, answer: Any, pulled: Client, theta: Theta, version: dict[str, Any]
) -> None:
    file = pulled.optimizers.cached_file(theta.sha256)
    file.write_bytes(theta.to_bytes()[:-1])
    server.script = [answer(200, version), answer(200, theta.to_bytes())]
    assert pulled.optimizers.pull("hyperadam@3").sha256 == theta.sha256
    assert file.read_bytes() == theta.to_bytes()


def test_a_pinned_version_works_offline_and_says_so(
    server: Any, answer: Any, pulled: Client, theta: Theta, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [answer(drop=True)]
    with caplog.at_level(logging.WARNING, logger="hyperadam"):
        assert pulled.optimizers.pull("hyperadam@3").sha256 == theta.sha256
    assert "local cache" in caplog.text


@pytest.mark.parametrize(
    "reference", ["hyperadam@latest", "hyperadam@champion", "hyperadam@2", "other@3"]
)
def test_anything_else_needs_the_server(
    server: Any, answer: Any, pulled: Client, reference: str
) -> None:
    server.script = [answer(drop=True) for _ in range(4)]
    with pytest.raises(ServerUnreachable):
        pulled.optimizers.pull(reference)


def test_offline_with_a_damaged_cache_entry_fails(
    server: Any, answer: Any, pulled: Client, theta: Theta
) -> None:
    pulled.optimizers.cached_file(theta.sha256).write_bytes(b"damaged")
    server.script = [answer(drop=True)]
    with pytest.raises(ServerUnreachable):
        pulled.optimizers.pull("hyperadam@3")


def test_another_server_at_the_same_url_is_believed(
    server: Any, answer: Any, pulled: Client
) -> None:
    server.script = [answer(404, GONE)]
    with pytest.raises(NotFound, match="no such version"):
        pulled.optimizers.pull("hyperadam@3")


def test_the_cache_keeps_servers_apart(theta: Theta, tmp_path: Path) -> None:
    cache = ThetaCache(tmp_path)
    cache.remember("http://a", "hyperadam", 1, theta.sha256)
    assert cache.recall("http://a", "hyperadam", "1") == theta.sha256
    assert cache.recall("http://b", "hyperadam", "1") is None
    next(tmp_path.rglob("versions/*/hyperadam/1")).write_text("../../etc")
    assert cache.recall("http://a", "hyperadam", "1") is None


def test_other_bytes_than_the_registry_says_are_refused(
    server: Any, answer: Any, client: Client, theta: Theta, version: dict[str, Any], cache_dir: Path
) -> None:
    flipped = theta.to_bytes()[:-1] + bytes([theta.to_bytes()[-1] ^ 1])
    server.script = [answer(200, version), *(answer(200, flipped) for _ in range(4))]
    with pytest.raises(DamagedDownload, match=theta.sha256):
        client.optimizers.pull("hyperadam@3")
    assert list(cache_dir.rglob("*.safetensors")) == []


def test_right_bytes_that_are_no_theta_are_refused(
    server: Any, answer: Any, client: Client, version: dict[str, Any]
) -> None:
    import hashlib

    pickled = b"\x80\x04\x95 this would be code"
    version["sha256"] = hashlib.sha256(pickled).hexdigest()
    server.script = [answer(200, version), answer(200, pickled)]
    with pytest.raises(DamagedDownload, match="not a safetensors file"):
        client.optimizers.pull("hyperadam@3")


def test_a_broken_off_download_is_repeated(
    server: Any, answer: Any, client: Client, theta: Theta, version: dict[str, Any]
) -> None:
    server.script = [
        answer(200, version),
        answer(200, theta.to_bytes()[:99], lost=500),
        answer(200, theta.to_bytes()),
    ]
    assert client.optimizers.pull("hyperadam@3").sha256 == theta.sha256


def part(theta: Theta, start: int, **changes: str) -> dict[str, str]:
    """Headers of the rest of a file."""
    n_bytes = len(theta.to_bytes())
    headers = {
        "ETag": f'"{theta.sha256}"',
        "Content-Range": f"bytes {start}-{n_bytes - 1}/{n_bytes}",
    }
    return headers | changes


@pytest.fixture
def etag(theta: Theta) -> dict[str, str]:
    return {"ETag": f'"{theta.sha256}"'}


def test_a_broken_off_download_goes_on_where_it_broke(
    server: Any,
    answer: Any,
    client: Client,
    theta: Theta,
    version: dict[str, Any],
    etag: dict[str, str],
) -> None:
    data = theta.to_bytes()
    server.script = [
        answer(200, version),
        answer(200, data[:99], etag, lost=500),
        answer(drop=True),
        answer(206, data[99:500], part(theta, 99), lost=500),
        answer(206, data[500:], part(theta, 500)),
    ]
    assert client.optimizers.pull("hyperadam@3").sha256 == theta.sha256
    asked = [
        (request.headers.get("range"), request.headers.get("if-range"))
        for request in server.requests[1:]
    ]
    tag = etag["ETag"]
    assert asked == [(None, None), ("bytes=99-", tag), ("bytes=99-", tag), ("bytes=500-", tag)]
    assert {request.headers["accept-encoding"] for request in server.requests[1:]} == {"identity"}


def test_another_file_in_its_place_is_fetched_whole(
    server: Any, answer: Any, client: Client, theta: Theta, etag: dict[str, str]
) -> None:
    server.script = [
        answer(200, b"x" * 99, {"ETag": '"old"'}, lost=500),
        answer(200, theta.to_bytes(), etag),
    ]
    assert client.optimizers.weights("hyperadam", "champion") == theta.to_bytes()
    assert server.requests[1].headers["if-range"] == '"old"'


@pytest.mark.parametrize("changes", [{"Content-Range": "bytes 98-500/600"}, {"Content-Range": ""}])
def test_a_wrong_part_is_not_put_together(
    server: Any,
    answer: Any,
    client: Client,
    theta: Theta,
    version: dict[str, Any],
    etag: dict[str, str],
    changes: dict[str, str],
) -> None:
    data = theta.to_bytes()
    wrong = answer(206, data[99:], part(theta, 99, **changes))
    server.script = [
        answer(200, version),
        answer(200, data[:99], etag, lost=500),
        wrong,
        answer(200, data, etag),
    ]
    assert client.optimizers.pull("hyperadam@3").sha256 == theta.sha256
    assert [request.headers.get("range") for request in server.requests[1:]] == [
        None,
        "bytes=99-",
        None,
    ]


def test_parts_of_a_damaged_file_are_thrown_away(
    server: Any,
    answer: Any,
    client: Client,
    theta: Theta,
    version: dict[str, Any],
    etag: dict[str, str],
) -> None:
    data = theta.to_bytes()
    damaged = answer(206, data[99:-1] + b"\0", part(theta, 99))
    server.script = [
        answer(200, version),
        answer(200, data[:99], etag, lost=500),
        damaged,
        answer(200, data, etag),
    ]
    assert client.optimizers.pull("hyperadam@3").sha256 == theta.sha256
    assert server.requests[-1].headers.get("range") is None


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_what_has_no_strong_tag_is_fetched_whole(
    server: Any, answer: Any, client: Client, theta: Theta, headers: dict[str, str]
) -> None:
    data = theta.to_bytes()
    server.script = [answer(200, data[:99], headers, lost=500), answer(200, data, headers)]
    assert client.optimizers.weights("hyperadam", 3) == data
    assert server.requests[1].headers.get("range") is None


@pytest.mark.parametrize("reference", ["", "@3", "Hyper@1", "a/../b@1", "hyperadam@../1"])
def test_bad_references_never_reach_the_server(server: Any, client: Client, reference: str) -> None:
    with pytest.raises(InvalidName):
        client.optimizers.pull(reference)
    assert server.requests == []


def test_hyperadam_pull_uses_the_environment(
    server: Any, answer: Any, theta: Theta, version: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERADAM_URL", server.url + "/")
    monkeypatch.setenv("HYPERADAM_API_KEY", "secret")
    server.script = [answer(200, version), answer(200, theta.to_bytes())]
    assert hyperadam.pull("hyperadam@champion").sha256 == theta.sha256
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer secret"}
