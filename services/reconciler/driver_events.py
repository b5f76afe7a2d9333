"""Events as drivers write them: files in the run, numbered 0, 1, 2, … without gaps, one JSON object
a line. A gap is a file that was lost."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from registry import ArtifactNotFound, Registry
from services.database.base import now
from services.reconciler.driver_json import read_driver_json

logger = logging.getLogger(__name__)

MAX_FILES: Final = 64
"""Event files that are read, and copied in one transaction."""

_PATH: Final = re.compile(r"events/(?P<attempt>\d{4,})-(?P<number>\d{6,})\.jsonl")
_TYPE: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_TYPES_OF_THE_SERVICE: Final = ("job.", "service.")
"""Beginnings of the names of events that only the service writes."""


@dataclass(frozen=True, kw_only=True)
class DriverEvent:
    """What a driver tells of its work."""

    type: str
    time: datetime
    data: Mapping[str, Any]


def read_event_files(registry: Registry, run_id: str, attempt: int, first: int) -> list[bytes]:
    """The attempt's event files from this number on, as many as there are, up to `MAX_FILES`."""
    files: list[bytes] = []
    for number in range(first, first + MAX_FILES):
        try:
            files.append(registry.get_artifact(run_id, f"events/{attempt:04d}-{number:06d}.jsonl"))
        except ArtifactNotFound:
            break
    return files


def find_next_file(registry: Registry, run_id: str, attempt: int, first: int) -> int | None:
    """The lowest number from `first` on of which there is a file; None: there is none."""
    numbers = []
    for file in registry.list_artifacts(run_id, "events"):
        match = _PATH.fullmatch(file.path)
        if match is not None and int(match["attempt"]) == attempt:
            numbers.append(int(match["number"]))
    return min((number for number in numbers if number >= first), default=None)


def parse_events(file: bytes) -> Iterator[DriverEvent]:
    """The file's events; a line that is none is logged and left out."""
    for line in file.splitlines():
        try:
            event = _parse_event(line)
        except (ValueError, TypeError, KeyError) as error:
            logger.warning("left out a line of driver events: %s", error)
        else:
            yield event


def _parse_event(line: bytes) -> DriverEvent:
    """
    Raises:
        ValueError, TypeError, KeyError: the line is no event of a driver.
    """
    content = read_driver_json(line)
    kind = content["type"]
    time = datetime.fromisoformat(content["time"])
    data = content.get("data") or {}
    is_of_a_driver = _TYPE.fullmatch(kind) and not kind.startswith(_TYPES_OF_THE_SERVICE)
    if not is_of_a_driver or not isinstance(data, dict):
        raise ValueError(f"no driver event is of type {kind!r} with such data")
    return DriverEvent(type=kind, time=time if time.tzinfo else now(), data=data)
