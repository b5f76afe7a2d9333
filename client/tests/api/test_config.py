"""Where the client gets its server and its key from, and what it says when it has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hyperadam.api import Client, ConfigurationError, resolve_settings
from hyperadam.api.config import is_loopback


def local_server(
    home: Path, url: str = "http://127.0.0.1:8400", key: str = "local-key", mode: int = 0o600
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    server = {"url": url, "api_key_file": "api-key", "proof_key_file": "proof-key"}
    (home / "server.json").write_text(json.dumps(server))
    for name, secret in {"api-key": key, "proof-key": "local-proof"}.items():
        (home / name).write_text(secret + "\n")
        (home / name).chmod(mode)


def test_arguments_come_first(tmp_path: Path) -> None:
    local_server(tmp_path)
    environment = {
        "HYPERADAM_URL": "http://e",
        "HYPERADAM_API_KEY": "ek",
        "HYPERADAM_HOME": str(tmp_path),
    }
    settings = resolve_settings("https://a/", "ak", environment)
    assert (settings.url, settings.api_key, settings.proof_key) == ("https://a", "ak", None)


def test_then_the_environment(tmp_path: Path) -> None:
    local_server(tmp_path)
    environment = {
        "HYPERADAM_URL": "http://e:1/x/",
        "HYPERADAM_API_KEY": "ek",
        "HYPERADAM_HOME": str(tmp_path),
    }
    settings = resolve_settings(environment=environment)
    assert (settings.url, settings.api_key) == ("http://e:1/x", "ek")


def test_then_the_server_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local_server(tmp_path)
    assert resolve_settings(environment={"HYPERADAM_HOME": str(tmp_path)}).api_key == "local-key"
    monkeypatch.setenv("HOME", str(tmp_path))
    local_server(tmp_path / ".local" / "share" / "hyperadam", "http://127.0.0.1:1")
    assert resolve_settings(environment={}).url == "http://127.0.0.1:1"


def test_a_local_key_goes_only_to_its_own_server(tmp_path: Path) -> None:
    local_server(tmp_path)
    home = {"HYPERADAM_HOME": str(tmp_path)}
    settings = resolve_settings("http://127.0.0.1:8400/", environment=home)
    assert (settings.api_key, settings.proof_key) == ("local-key", "local-proof")
    with pytest.raises(ConfigurationError, match="no API key for http://elsewhere"):
        resolve_settings("http://elsewhere", environment=home)


def test_without_a_server_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"HYPERADAM_URL.*hyperadam-server up"):
        resolve_settings(environment={"HYPERADAM_HOME": str(tmp_path)})


def test_without_a_key_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set HYPERADAM_API_KEY"):
        resolve_settings("http://a", environment={"HYPERADAM_HOME": str(tmp_path)})
    local_server(tmp_path)
    (tmp_path / "api-key").unlink()
    with pytest.raises(ConfigurationError, match="set HYPERADAM_API_KEY"):
        resolve_settings(environment={"HYPERADAM_HOME": str(tmp_path)})


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    local_server(tmp_path, mode=0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        resolve_settings(environment={"HYPERADAM_HOME": str(tmp_path)})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 3}', '{"url": "ftp://x"}'])
def test_a_broken_server_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"server\.json|url must"):
        resolve_settings(environment={"HYPERADAM_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8400",
        "ftp://x",
        "http://",
        "http://[::1",
        "http://a?x=1",
        "http://a#b",
        "http://u:p@a",
        "http://a:x",
    ],
)
def test_bad_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="url must"):
        resolve_settings(url, "key", {})


@pytest.mark.parametrize("url", ["http://a/v1", "http://a/v1/", "https://a:8400/x/v1"])
def test_a_url_with_the_apis_version_is_refused_with_the_right_one(url: str) -> None:
    right = url.rstrip("/").removesuffix("/v1")
    with pytest.raises(ConfigurationError, match=f"the server's address alone, '{right}'"):
        resolve_settings(url, "key", {})


def test_another_name_of_this_machine_is_told_the_address_of_the_key(tmp_path: Path) -> None:
    local_server(tmp_path)
    environment = {"HYPERADAM_HOME": str(tmp_path)}
    with pytest.raises(ConfigurationError, match=r"belongs to http://127\.0\.0\.1:8400, use that"):
        resolve_settings("http://localhost:8400", environment=environment)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("http://localhost", True),
        ("http://a.localhost:80", True),
        ("http://[::1]:1", True),
        ("http://localhost.example", False),
        ("http://128.0.0.1", False),
        ("http://[::2]", False),
    ],
)
def test_which_urls_are_of_this_machine(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_bad_keys_are_refused_without_showing_them(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_settings("http://a", key, {})
    assert key not in str(caught.value)


def test_settings_do_not_show_the_key() -> None:
    assert "secret" not in repr(resolve_settings("http://a", "secret", {}))


def test_making_a_client_touches_no_network() -> None:
    with Client("http://127.0.0.1:9", "key") as client:
        assert client.url == "http://127.0.0.1:9"
