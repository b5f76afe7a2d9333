"""Weights over HTTP: the right bytes, conditionally and in part.

The registry is asked no more often than it must be.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode

import pytest
from fastapi.testclient import TestClient
from hyperadam.theta import Theta

from registry.memory import InMemoryRegistry
from services.optimizers.weights import PinnedVersion, WeightsCache
from tests.registry.thetas import make_theta
from tests.services.optimizers.conftest import CountingRegistry

TWO = "/v1/optimizers/hyper/versions/2/weights"
CHAMPION = "/v1/optimizers/hyper/versions/champion/weights"
LATEST = "/v1/optimizers/hyper/versions/latest/weights"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: weights are in the registry."""
    return sqlite_url


def test_a_number_is_immutable(client: TestClient, thetas: list[Theta]) -> None:
    answer = client.get(TWO)
    assert answer.status_code == 200
    assert answer.content == thetas[1].to_bytes()
    assert answer.headers["ETag"] == f'"{thetas[1].sha256}"'
    digest = b64decode(answer.headers["Repr-Digest"].removeprefix("sha-256=:").removesuffix(":"))
    assert digest == hashlib.sha256(answer.content).digest()
    assert answer.headers["X-Version"] == "2"
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="hyper-2.safetensors"'
    assert Theta.from_bytes(answer.content).sha256 == thetas[1].sha256


@pytest.mark.parametrize(("path", "number"), [(CHAMPION, "2"), (LATEST, "3")])
def test_a_name_is_asked_for_anew(client: TestClient, path: str, number: str) -> None:
    answer = client.get(path)
    assert answer.headers["X-Version"] == number
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_a_moved_alias_is_followed_at_once(
    client: TestClient, registry: CountingRegistry, thetas: list[Theta]
) -> None:
    assert client.get(CHAMPION).content == thetas[1].to_bytes()
    registry.set_alias("hyper", "champion", 1, actor="bob")
    assert client.get(CHAMPION).content == thetas[0].to_bytes()
    registry.create_version("hyper", make_theta(4), key="k4")
    assert client.get(LATEST).headers["X-Version"] == "4"


def test_not_modified(client: TestClient, thetas: list[Theta]) -> None:
    for path in (TWO, CHAMPION):
        answer = client.get(path, headers={"If-None-Match": f'"x", W/"{thetas[1].sha256}"'})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == f'"{thetas[1].sha256}"'
        assert answer.headers["X-Version"] == "2"
        assert "Cache-Control" in answer.headers
    several = [("If-None-Match", '"x"'), ("If-None-Match", f'"{thetas[1].sha256}"')]
    assert client.get(TWO, headers=several).status_code == 304
    assert client.get(TWO, headers={"If-None-Match": "*"}).status_code == 304
    assert client.get(TWO, headers={"If-None-Match": '"x"'}).status_code == 200


def test_not_modified_never_reads_a_file(
    client: TestClient, registry: CountingRegistry, thetas: list[Theta]
) -> None:
    headers = {"If-None-Match": f'"{thetas[1].sha256}"'}
    for path in (TWO, CHAMPION):
        assert client.get(path, headers=headers).status_code == 304
    assert registry.calls == {"version": 2}


def test_what_is_known_is_not_asked_for_again(
    client: TestClient, registry: CountingRegistry
) -> None:
    for _ in range(3):
        assert client.get(TWO).status_code == 200
        assert client.head(TWO).status_code == 200
    assert registry.calls == {"version": 1, "weights": 1}
    client.get(CHAMPION)
    assert registry.calls == {"version": 2, "weights": 1}


def test_head_is_get_without_the_file(
    client: TestClient, registry: CountingRegistry, thetas: list[Theta]
) -> None:
    head = client.head(TWO)
    assert registry.calls == {"version": 1}
    assert (head.status_code, head.content) == (200, b"")
    whole = client.get(TWO)
    for name in set(whole.headers) - {"x-request-id"}:
        assert head.headers[name] == whole.headers[name]
    assert client.head(TWO, headers={"If-None-Match": f'"{thetas[1].sha256}"'}).status_code == 304
    assert client.head(TWO, headers={"Range": "bytes=0-1"}).status_code == 200


def test_a_broken_download_goes_on(client: TestClient, thetas: list[Theta]) -> None:
    whole = thetas[1].to_bytes()
    etag = f'"{thetas[1].sha256}"'
    first = client.get(TWO, headers={"Range": "bytes=0-99"})
    assert first.status_code == 206
    assert first.headers["Content-Range"] == f"bytes 0-99/{len(whole)}"
    assert first.headers["Content-Length"] == "100"
    assert first.headers["ETag"] == etag
    rest = client.get(TWO, headers={"Range": "bytes=100-", "If-Range": etag})
    assert rest.status_code == 206
    assert first.content + rest.content == whole
    assert client.get(TWO, headers={"Range": "bytes=-7"}).content == whole[-7:]


def test_a_download_that_changed_underneath_starts_anew(
    client: TestClient, registry: CountingRegistry, thetas: list[Theta]
) -> None:
    etag = client.get(CHAMPION, headers={"Range": "bytes=0-99"}).headers["ETag"]
    registry.set_alias("hyper", "champion", 1, actor="bob")
    answer = client.get(CHAMPION, headers={"Range": "bytes=100-", "If-Range": etag})
    assert (answer.status_code, answer.content) == (200, thetas[0].to_bytes())


def test_a_range_outside_of_the_file(client: TestClient, thetas: list[Theta]) -> None:
    answer = client.get(TWO, headers={"Range": "bytes=99999999-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(thetas[1].to_bytes())}"
    assert answer.json()["type"] == "/problems/range-not-satisfiable"
    assert "immutable" not in answer.headers.get("Cache-Control", "")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nobody/versions/1", 404),
        ("hyper/versions/9", 404),
        ("hyper/versions/0", 404),
        ("hyper/versions/99999999999999999999", 404),
        ("hyper/versions/nothing", 404),
        ("hyper/versions/-1", 422),
        ("Hyper/versions/1", 422),
        ("hyper/versions/a b", 422),
        ("hy..per/versions/1", 422),
        ("%2e%2e/versions/1", 422),
        ("hyper/versions/..%2f..%2fetc", 404),
        ("hyper/versions/1%00", 422),
        ("hyper/versions/" + "a" * 65, 422),
    ],
)
def test_names_are_strict(client: TestClient, path: str, status: int) -> None:
    answer = client.get(f"/v1/optimizers/{path}/weights")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def pin(cache: WeightsCache, number: int) -> PinnedVersion:
    return cache.resolve("hyper", str(number))


def test_the_cache_keeps_what_was_used_last_within_its_bytes(
    registry: CountingRegistry, thetas: list[Theta]
) -> None:
    sizes = [len(theta.to_bytes()) for theta in thetas]
    cache = WeightsCache(registry, max_bytes=sizes[0] + max(sizes[1:]))
    one, two, three = (pin(cache, number) for number in (1, 2, 3))
    cache.load_file(one)
    cache.load_file(two)
    cache.load_file(one)
    assert registry.calls["weights"] == 2
    cache.load_file(three)
    assert cache.recall_file(two) is None
    assert cache.recall_file(one) == thetas[0].to_bytes()
    assert cache.recall_file(three) == thetas[2].to_bytes()


def test_a_file_larger_than_the_cache_is_served_and_takes_nobodys_place(
    registry: CountingRegistry, thetas: list[Theta]
) -> None:
    small = thetas[0].to_bytes()
    large = registry.create_version("hyper", make_theta(4, n_candidates=8), key="k4")
    assert large.size_bytes > len(small)
    cache = WeightsCache(registry, max_bytes=len(small))
    one = pin(cache, 1)
    four = pin(cache, large.number)
    assert cache.load_file(one) == small
    assert cache.load_file(four) == registry.weights("hyper", 4)
    assert cache.recall_file(four) is None
    assert cache.recall_file(one) == small


def test_names_are_never_remembered(registry: InMemoryRegistry) -> None:
    cache = WeightsCache(registry)
    cache.resolve("hyper", "latest")
    assert cache.recall("hyper", "latest") is None
    assert cache.recall("hyper", "3") is not None
    assert cache.recall("hyper", "2") is None
