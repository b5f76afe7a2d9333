"""Writes the audit log: a row a request, and a JSON line where the operator wants them."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.audit.tables import AuditedRequest
from services.auth.scopes import DEFAULT_PROJECT
from services.database.base import Database, now
from services.own_files import open_own

STDOUT: Final = "-"
log = structlog.get_logger(__name__)


COMMAND: Final = "hyperadam-server"
"""As an actor: whoever runs the command on a machine of the service."""


def record_by_hand(
    database: Database,
    method: str,
    path: str,
    status: int,
    subject: str | None = None,
    project: str = DEFAULT_PROJECT,
) -> None:
    """Keep what the command did, as the request that would have done the same."""
    AuditLog(database, "").record(
        actor=COMMAND,
        key_id="",
        project=project,
        method=method,
        path=path,
        subject=subject,
        status=status,
        client="",
        request_id="",
    )


def format_line(entry: dict[str, Any]) -> str:
    """A row as a line of JSON, in ASCII."""
    return json.dumps({**entry, "time": entry["time"].isoformat()}) + "\n"


class AuditLog:
    """The log of one process. Thread-safe.

    Args:
        lines: a file that JSON lines are added to; `-`: standard output; empty: none are written.
    """

    def __init__(self, database: Database, lines: str) -> None:
        self._database = database
        self._lines = lines
        self._lock = threading.Lock()

    def record(self, **fields: Any) -> None:
        """Keep what a request did. It is done already: where this fails, the server's log says so,
        with the same fields."""
        entry = {"time": now(), **fields}
        try:
            with self._database.write() as session:
                session.add(AuditedRequest(**entry))
        except SQLAlchemyError as error:
            log.exception("audit.not_written", error=type(error).__name__, **fields)
        if self._lines:
            self._write_line(entry)

    def _write_line(self, entry: dict[str, Any]) -> None:
        line = format_line(entry)
        with self._lock:
            if self._lines == STDOUT:
                sys.stdout.write(line)
                sys.stdout.flush()
                return
            try:
                with open_own(Path(self._lines), "ab") as file:
                    file.write(line.encode("ascii"))
            except OSError as error:
                log.error("audit.line_not_written", error=str(error))
