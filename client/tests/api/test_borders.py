"""Where the client meets the machine that it runs on: stopped servers, proxies, folders that cannot
be used, terminals without letters."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import hyperadam
import pytest
from hyperadam.api import ApiError, Client, ConfigurationError
from hyperadam.api.cache import ThetaCache
from hyperadam.theta import Theta


@pytest.mark.parametrize("variable", [None, "HYPERADAM_URL"])
@pytest.mark.usefixtures("pulled")
def test_after_the_server_has_stopped_a_pinned_version_still_works(
    server: Any,
    theta: Theta,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str | None,
) -> None:
    """A local server takes its address, and with it the client's knowledge of it, along."""
    if variable:
        monkeypatch.setenv(variable, f"{server.url}/")
    with caplog.at_level(logging.WARNING, logger="hyperadam"):
        assert hyperadam.pull("hyperadam@3").sha256 == theta.sha256
    assert "using version 3 of hyperadam from the local cache" in caplog.text
    assert server.requests == []


@pytest.mark.usefixtures("pulled")
@pytest.mark.parametrize("reference", ["hyperadam", "hyperadam@champion", "hyperadam@4", "other@3"])
def test_anything_else_is_said_to_need_a_server(reference: str) -> None:
    with pytest.raises(ConfigurationError, match="no server to talk to"):
        hyperadam.pull(reference)


@pytest.mark.usefixtures("pulled")
def test_what_servers_do_not_agree_on_is_not_guessed(cache_dir: Path) -> None:
    ThetaCache(cache_dir).remember("http://other", "hyperadam", 3, "0" * 64)
    with pytest.raises(ConfigurationError, match="no server to talk to"):
        hyperadam.pull("hyperadam@3")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_requests_on_this_machine_never_go_to_a_proxy(
    server: Any, answer: Any, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """They carry a key."""
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server.script = [answer(200, {})]
    with Client(server.url, "key") as client:
        assert client.live()


def test_requests_elsewhere_do_go_to_the_proxy(
    server: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.script = [answer(200, {})]
    with Client("http://elsewhere.invalid", "key") as client:
        assert client.live()
    assert server.requests[0].path == "http://elsewhere.invalid/livez"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_answers_in_place_of_the_server_is_called_a_proxy(
    server: Any, answer: Any, client: Client, status: int
) -> None:
    server.script = [answer(status, b"<h1>Bad Gateway</h1>")]
    with pytest.raises(ApiError, match=f"a proxy or gateway answered with status {status}"):
        client.live()


def test_a_cache_folder_that_cannot_be_used_is_named(
    server: Any, answer: Any, client: Client, version: dict[str, Any], cache_dir: Path
) -> None:
    cache_dir.parent.mkdir()
    cache_dir.write_text("a file")
    server.script = [answer(200, version)]
    with pytest.raises(ConfigurationError, match=r"cache folder .* set XDG_CACHE_HOME"):
        client.optimizers.pull("hyperadam@3")


def test_without_any_folder_for_a_cache_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", find_no_home)
    with pytest.raises(ConfigurationError, match="set XDG_CACHE_HOME"):
        Client("http://127.0.0.1:9", "key")


@pytest.mark.parametrize("arguments", [["--help"], ["pull", "--help"], ["nonsense"]])
def test_a_terminal_without_greek_gets_help(arguments: list[str]) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", "from hyperadam.cli import main; main()", *arguments],
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in answer.stderr
    assert "Usage" in answer.stdout + answer.stderr


def test_theta_is_shown_on_one_line(theta: Theta) -> None:
    text = repr(theta)
    assert text.startswith("Theta(rule='hyperadam', n_theta=")
    assert theta.sha256[:12] in text
    assert len(text) < 120


def test_theta_is_shown_in_notebooks_as_a_table(theta: Theta) -> None:
    page = theta._repr_html_()
    assert page.startswith("<table>")
    assert f"<td>{theta.sha256}</td>" in page
    assert "<th>weight_decay</th><td>0.0</td>" in page
