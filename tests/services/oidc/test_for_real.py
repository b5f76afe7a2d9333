"""A browser signs in by real HTTP: from the dashboard to the issuer and back to the dashboard."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx2
import pytest
from fastapi.testclient import TestClient

from services.container import Container
from services.serving import ApiServer, format_url, listen
from tests.services.oidc.issuer import TestIssuer, bearer

pytestmark = pytest.mark.slow


@pytest.fixture
def url(services: Container, visitor: TestClient) -> Iterator[str]:
    listener = listen("127.0.0.1", 0)
    ready = threading.Event()
    server = ApiServer(services, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert ready.wait(30)
        yield format_url(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def test_a_browser_follows_its_way(url: str, issuer: TestIssuer) -> None:
    with httpx2.Client(base_url=url, follow_redirects=True) as browser:
        page = browser.get("/v1/sign-in")
        assert (page.status_code, str(page.url)) == (200, f"{url}/")
        assert "<title>HyperAdam</title>" in page.text
        assert [str(step.url).split("?")[0] for step in page.history] == [
            f"{url}/v1/sign-in",
            f"{issuer.url}/authorize",
            f"{url}/v1/sign-in/callback",
        ]
        assert browser.get("/v1/keys/self").json()["full_name"] == "Ada Lovelace"
    token = issuer.sign(sub="bob", name="Bob")
    answer = httpx2.get(f"{url}/v1/keys/self", headers=bearer(token))
    assert answer.json()["full_name"] == "Bob"
