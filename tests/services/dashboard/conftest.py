"""A browser, and the real application on loopback for it to visit."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from services.app import create_app
from services.container import Container
from tests.services.dashboard.chromium import Chromium


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: a page cannot tell which database there is."""
    return sqlite_url


@pytest.fixture
def url(services: Container) -> Iterator[str]:
    """A server on loopback."""
    config = uvicorn.Config(
        create_app(services), port=0, log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/"
    services.stopping.set()
    server.should_exit = True
    thread.join()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    browser = Chromium(tmp_path)
    yield browser
    browser.close()


def sign_in(browser: Chromium, url: str, key: str) -> None:
    browser.open(url)
    browser.wait_for("Boolean(document.getElementById('key'))", 60)
    browser.evaluate(f"document.getElementById('key').value = {json.dumps(key)}")
    browser.click("Sign in")


def go(browser: Chromium, address: str, heading: str) -> None:
    """To a page of the dashboard, until its heading stands there."""
    browser.evaluate(f"location.hash = {json.dumps(address)}")
    browser.wait_for(f"document.querySelector('h1')?.textContent === {json.dumps(heading)}", 30)
