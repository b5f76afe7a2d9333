"""How much is logged: so many lines of one kind a second, and so many bytes of a file.

A client that sends nonsense as fast as it can makes a line for each request, or a traceback: one
that was tried filled 316 MB in 150 s.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from services.auth.throttling import RateLimit
from services.own_files import open_own

BURST_SECONDS: Final = 10.0
"""A kind that was silent for so long may send at once all that it could have sent."""
MAX_KINDS: Final = 1000


class LineLimit(logging.Filter):
    """Lets so many lines of a kind pass, and says how many it left out when the next one passes.

    Lines are of one kind if they have one logger, one level and one text before its values.

    Args:
        lines_per_second: of one kind, on average; 0: as many as come.
    """

    def __init__(self, lines_per_second: float) -> None:
        super().__init__()
        self._limit = RateLimit(lines_per_second, BURST_SECONDS)
        self._left_out: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        kind = _describe_kind(record)
        passes = self._limit.seconds_to_wait(kind) == 0
        n_left_out = self._count(kind, passes=passes)
        if n_left_out:
            note = logging.LogRecord(
                __name__,
                logging.WARNING,
                record.pathname,
                record.lineno,
                "%d lines were left out before this one: %s",
                (n_left_out, kind),
                None,
            )
            logging.getLogger(__name__).handle(note)
        return passes

    def _count(self, kind: str, *, passes: bool) -> int:
        """How many lines were left out, to be told with the line that passes."""
        with self._lock:
            n_left_out = self._left_out.pop(kind, 0)
            if passes:
                return n_left_out
            self._left_out[kind] = n_left_out + 1
            if len(self._left_out) > MAX_KINDS:
                self._left_out.popitem(last=False)
            return 0


class OwnRotatingFile(RotatingFileHandler):
    """A log file that only this user can read, with as many older ones beside it.

    Raises:
        PermissionError: there is something else at its place.
    """

    def __init__(self, path: Path, max_bytes: int, n_older: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=n_older, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        file = open_own(Path(self.baseFilename), "ab")
        return TextIOWrapper(file, encoding="utf-8", write_through=True)


def _describe_kind(record: logging.LogRecord) -> str:
    """The logger and the text before its values are put in."""
    message = record.msg
    text = message.get("event", "") if isinstance(message, dict) else message
    return f"{record.name} {record.levelname} {text!s:.200}"
