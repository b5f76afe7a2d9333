"""Θ from a Hub and to it, over HTTP on loopback."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hyperadam
import pytest
import stub_hub
from hyperadam import Theta, ThetaError
from hyperadam.theta import MAX_FILE_BYTES

huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")

NAME = "somebody/small"


@pytest.fixture(scope="module")
def theta() -> Theta:
    return hyperadam.pretrained("dm-paper")


@pytest.fixture
def hub() -> Any:
    return stub_hub.StubHub()


@pytest.fixture
def place(hub: Any, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Arguments that lead to the stub, and to a cache of this test's own."""
    with stub_hub.serve(hub) as endpoint:
        yield {"endpoint": endpoint, "cache_dir": tmp_path, "token": False}


def test_a_file_comes_as_it_is_there(theta: Theta, hub: Any, place: dict[str, Any]) -> None:
    hub.commit(NAME, {"theta.safetensors": theta.to_bytes()})
    assert Theta.from_pretrained(NAME, **place).sha256 == theta.sha256


def test_a_commit_is_the_same_file_for_ever(theta: Theta, hub: Any, place: dict[str, Any]) -> None:
    other = hyperadam.pretrained("rnnprop-paper")
    first = hub.commit(NAME, {"theta.safetensors": theta.to_bytes()})
    hub.commit(NAME, {"theta.safetensors": other.to_bytes()})
    assert Theta.from_pretrained(NAME, **place).sha256 == other.sha256
    assert Theta.from_pretrained(NAME, revision=first, **place).sha256 == theta.sha256


def test_another_file_of_the_repository(theta: Theta, hub: Any, place: dict[str, Any]) -> None:
    hub.commit(NAME, {"others/one.safetensors": theta.to_bytes()})
    found = Theta.from_pretrained(NAME, filename="others/one.safetensors", **place)
    assert found.sha256 == theta.sha256


def test_what_was_fetched_needs_no_network(theta: Theta, hub: Any, place: dict[str, Any]) -> None:
    hub.commit(NAME, {"theta.safetensors": theta.to_bytes()})
    Theta.from_pretrained(NAME, **place)
    n_requests = len(hub.requests)
    again = Theta.from_pretrained(NAME, local_files_only=True, **place)
    assert again.sha256 == theta.sha256
    assert len(hub.requests) == n_requests


def test_the_token_is_sent(theta: Theta, hub: Any, place: dict[str, Any]) -> None:
    hub.commit(NAME, {"theta.safetensors": theta.to_bytes()})
    Theta.from_pretrained(NAME, **place | {"token": "hf_of_mine"})
    assert {token for _, _, token in hub.requests} == {"Bearer hf_of_mine"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short"),
        (b"\x80\x04cos\nsystem\n", "cut short"),
        ((2**40).to_bytes(8, "little") + b"{}", "cut short"),
        (b"<html>not found</html>", "cut short"),
        ((2).to_bytes(8, "little") + b"{}", "no 'hyperadam' manifest"),
    ],
)
def test_hostile_files_are_refused(
    hub: Any, place: dict[str, Any], content: bytes, message: str
) -> None:
    hub.commit(NAME, {"theta.safetensors": content})
    with pytest.raises(ThetaError, match=message):
        Theta.from_pretrained(NAME, **place)


def test_a_file_whose_numbers_were_changed_is_refused(
    theta: Theta, hub: Any, place: dict[str, Any]
) -> None:
    data = bytearray(theta.to_bytes())
    data[-1] ^= 1
    hub.commit(NAME, {"theta.safetensors": bytes(data)})
    with pytest.raises(ThetaError, match="tensors_sha256"):
        Theta.from_pretrained(NAME, **place)


def test_what_is_too_large_is_not_fetched(hub: Any, place: dict[str, Any], tmp_path: Path) -> None:
    hub.commit(NAME, {"theta.safetensors": b"0" * 100})
    hub.announced_bytes = MAX_FILE_BYTES + 1
    with pytest.raises(ThetaError, match=f"has {MAX_FILE_BYTES + 1} bytes, at most"):
        Theta.from_pretrained(NAME, **place)
    assert {method for method, _, _ in hub.requests} == {"HEAD"}
    assert list(tmp_path.rglob("*.safetensors")) == []


@pytest.mark.parametrize(
    ("name", "revision", "error"),
    [
        ("nobody/none", None, "RepositoryNotFoundError"),
        (NAME, "no-such-branch", "RevisionNotFoundError"),
        (NAME, None, "RemoteEntryNotFoundError"),
    ],
)
def test_what_is_not_there_is_the_hubs_own_error(
    hub: Any, place: dict[str, Any], name: str, revision: str | None, error: str
) -> None:
    hub.commit(NAME, {"README.md": b"#"})
    with pytest.raises(getattr(huggingface_hub.errors, error)) as caught:
        Theta.from_pretrained(name, revision, **place)
    assert isinstance(caught.value, OSError)


def test_a_name_that_is_none_is_refused(place: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="too/many/parts"):
        Theta.from_pretrained("too/many/parts", **place)


class TestPush:
    @pytest.fixture
    def target(self, place: dict[str, Any]) -> dict[str, Any]:
        return {"endpoint": place["endpoint"], "token": "hf_of_mine"}

    def test_comes_back_by_its_commit(
        self, theta: Theta, hub: Any, place: dict[str, Any], target: dict[str, Any]
    ) -> None:
        commit = theta.push_to_hub(NAME, license="apache-2.0", **target)
        assert Theta.from_pretrained(NAME, revision=commit, **place).sha256 == theta.sha256
        assert {token for method, _, token in hub.requests if method == "POST"} == {
            "Bearer hf_of_mine"
        }

    def test_brings_a_card(self, theta: Theta, hub: Any, target: dict[str, Any]) -> None:
        theta.push_to_hub(NAME, license="apache-2.0", **target)
        card = huggingface_hub.ModelCard(hub.commits[NAME][-1]["README.md"].decode())
        assert card.data.library_name == "hyperadam"
        assert card.data.license == "apache-2.0"
        assert theta.sha256 in card.text

    def test_again_is_another_commit(self, theta: Theta, hub: Any, target: dict[str, Any]) -> None:
        first = theta.push_to_hub(NAME, **target)
        other = hyperadam.pretrained("rnnprop-paper")
        assert other.push_to_hub(NAME, **target) != first
        stored = hub.commits[NAME][-1]["theta.safetensors"]
        assert hashlib.sha256(stored).hexdigest() == other.sha256


def test_without_the_library_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, theta: Theta
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: Theta.from_pretrained(NAME), lambda: theta.push_to_hub(NAME)):
        with pytest.raises(ImportError, match=r"pip install 'hyperadam\[hub\]'"):
            call()
