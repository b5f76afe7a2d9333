"""The log: one stream, with the request's id, without secrets and forged lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from services.auth.keys import draw_key
from services.observability.logs import REDACTED, configure_logs, redact


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    access = logging.getLogger("uvicorn.access")
    handlers = root.handlers[:]
    level = root.level
    was_disabled = access.disabled
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    access.disabled = was_disabled


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_ours_and_others_become_one_stream_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=True)
    structlog.get_logger("ours").info("began", n=3)
    logging.getLogger("theirs").warning("low on %s", "disk")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["n"], ours["level"], ours["logger"]) == ("began", 3, "info", "ours")
    assert theirs["event"] == "low on disk"
    assert (theirs["level"], theirs["logger"]) == ("warning", "theirs")
    assert ours["timestamp"].endswith("Z")


def test_an_exception_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=True)
    try:
        raise ZeroDivisionError("no way")
    except ZeroDivisionError:
        structlog.get_logger().exception("failed")
        logging.getLogger("theirs").exception("failed too")
    assert all("ZeroDivisionError: no way" in line["exception"] for line in lines(capsys))


def test_the_text_for_people_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=False)
    structlog.get_logger().info("began", key=draw_key(), n=3)
    text = capsys.readouterr().err
    assert "began" in text
    assert "n=3" in text
    assert REDACTED in text


@pytest.mark.parametrize(
    ("event", "secret"),
    [
        ({"authorization": "Basic abc"}, "abc"),
        ({"headers": {"Authorization": "Bearer zzz"}}, "zzz"),
        ({"database_password": "hunter2"}, "hunter2"),
        ({"passwords": ["hunter2", "hunter3"]}, "hunter"),
        ({"event": "with Bearer abcdefghijklmnopqrstuvwxyz"}, "abcdefghij"),
        ({"url": "postgresql+psycopg://me:hunter2@host/db"}, "hunter2"),
        ({"exception": "OperationalError: postgresql://me:hunter2@host refused"}, "hunter2"),
        ({"args": ["--key", "ha_abcdefgh_" + "s3cret" * 5]}, "s3cret"),
    ],
)
def test_secrets_are_taken_out(event: dict[str, Any], secret: str) -> None:
    cleaned = json.dumps(redact(None, "info", event))
    assert secret not in cleaned
    assert REDACTED in cleaned


@pytest.mark.parametrize(
    "event", [{"event": "job.started", "job": "job_1", "n_tokens": 3, "key_id": "abcdefgh"}]
)
def test_the_rest_stays(event: dict[str, Any]) -> None:
    assert redact(None, "info", event) == event


def test_a_request_is_one_line(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    answer = client.get("/v1/jobs?label=secret:thing", headers={"X-Request-Id": "mine-1"})
    (line,) = lines(capsys)
    assert line["event"] == "request"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/jobs", 200)
    assert line["request_id"] == answer.headers["X-Request-Id"] == "mine-1"
    assert line["actor"] == "tester"
    assert line["duration_ms"] > 0
    assert "thing" not in json.dumps(line)


def test_a_path_cannot_forge_a_line(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=False)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    client.get("/v1/jobs/x%0A2026-01-01%20forged%1b[31m")
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 1
    assert "%0A2026-01-01%20forged%1B" in text


def test_probes_are_quiet(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    client.get("/livez")
    client.get("/metrics")
    assert lines(capsys) == []
