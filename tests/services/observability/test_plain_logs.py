"""Escape sequences in what others sent never reach the log."""

from __future__ import annotations

import logging

import pytest
import structlog

from services.observability.logs import configure_logs

HOSTILE = "a\x1b[2Jb\x9b31mc\u202e"


@pytest.mark.parametrize("as_json", [False, True])
def test_logs_are_plain(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logs(as_json=as_json)
        logging.getLogger("library").warning("said %s", HOSTILE)
        structlog.get_logger("ours").warning("event", name=HOSTILE)
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            structlog.get_logger("ours").exception("failed")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    printed = capsys.readouterr().err
    assert "said ab" in printed
    assert not set("\x1b\x9b\u202e") & set(printed)
