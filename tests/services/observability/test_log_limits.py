"""A flood of lines fills no disk: kinds of lines have limits, and files are turned over."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from services.observability import log_limits
from services.observability.log_limits import LineLimit, OwnRotatingFile
from services.observability.logs import configure_logs


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers = root.handlers[:]
    level = root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    make_limit = log_limits.RateLimit
    monkeypatch.setattr(
        log_limits, "RateLimit", lambda rate, burst: make_limit(rate, burst, lambda: now[0])
    )
    return now


def test_a_flood_of_one_kind_leaves_room_for_others(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    configure_logs(as_json=True, lines_per_second=2)
    for number in range(1000):
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request %d", number)
        structlog.get_logger("ours").info("request", number=number)
    logging.getLogger("ours").info("a rare line")
    clock[0] = 1.0
    structlog.get_logger("ours").info("request", number=1000)

    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    texts = [event["event"] for event in events]
    assert sum(text.startswith("Invalid") for text in texts) == 20
    assert texts.count("request") == 21
    assert "a rare line" in texts
    [note] = [event for event in events if "were left out" in event["event"]]
    assert note["event"].startswith("980 lines were left out before this one: ours INFO request")


def test_without_a_limit_every_line_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=True)
    for _ in range(2000):
        logging.getLogger("theirs").warning("again")
    assert len(capsys.readouterr().err.splitlines()) == 2000


def test_kinds_that_are_remembered_are_bounded(clock: list[float]) -> None:
    limit = LineLimit(0.1)
    for number in range(3000):
        record = logging.LogRecord("a", logging.INFO, "f", 1, f"kind {number}", (), None)
        limit.filter(record)
        limit.filter(record)
    assert len(limit._left_out) == log_limits.MAX_KINDS


def test_files_are_turned_over(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    handler = OwnRotatingFile(file, max_bytes=2000, n_older=2)
    configure_logs(as_json=True, handler=handler)
    for number in range(200):
        logging.getLogger("theirs").warning("line %d", number)
    handler.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["server.log", "server.log.1", "server.log.2"]
    assert all(file.stat().st_size <= 2000 for file in files)
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    assert json.loads(file.read_text().splitlines()[-1])["event"] == "line 199"


def test_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    (tmp_path / "server.log").symlink_to(tmp_path / "other")
    with pytest.raises(PermissionError):
        OwnRotatingFile(tmp_path / "server.log", 2000, 2)
