"""Who is believed when it says for whom it asks: the named proxies, and nobody else on loopback."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import httpx2
import pytest

from services.container import Container
from services.serving import ApiServer, listen


def ask_for(services: Container, caplog: pytest.LogCaptureFixture) -> Any:
    """The client's address in the log, of a request that says to come from elsewhere."""
    server = ApiServer(services, lambda: None)
    with listen("127.0.0.1", 0) as listener, caplog.at_level(logging.INFO):
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        while not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/jobs"
        httpx2.get(url, headers={"X-Forwarded-For": "203.0.113.9"}, trust_env=False)
        server.should_exit = True
        thread.join()
    messages = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    [line] = [message for message in messages if message["event"] == "request"]
    assert line["path"] == "/v1/jobs"
    return line["client"]


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [("", "127.0.0.1"), ("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "203.0.113.9")],
)
def test_a_client_is_known_by_its_address(
    services: Container, caplog: pytest.LogCaptureFixture, trusted: str, expected: str
) -> None:
    settings = services.settings.model_copy(update={"trusted_proxies": trusted})
    behind = Container(settings=settings, database=services.database, registry=services.registry)
    assert ask_for(behind, caplog) == expected
