"""Copying what drivers leave into the job store: events exactly once, logs byte for byte.

What was already copied is counted in the attempt's row, in the same transaction as the copies;
whoever goes on after a crash goes on from there.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from registry.contract import ArtifactNotFound, Registry
from services.database.base import now
from services.jobs import changes
from services.jobs.tables import Attempt, Job, LogChunk

logger = logging.getLogger(__name__)

MAX_FILES: Final = 64
"""Event files copied in one transaction."""
CHUNK_BYTES: Final = 64 << 10
TRUNCATED: Final = b"\n[the log is longer than the service keeps; the rest is left out]\n"

_TYPE: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_OWN_TYPES: Final = ("job.", "service.")
"""Beginnings of the names of events that only the service writes."""


@dataclass(frozen=True, kw_only=True)
class DriverEvent:
    type: str
    time: datetime
    data: Mapping[str, Any]


def new_event_files(registry: Registry, run_id: str, attempt: Attempt) -> list[bytes]:
    """The attempt's event files that are not copied yet. Drivers number them 0, 1, 2, … without
    gaps."""
    files: list[bytes] = []
    while len(files) < MAX_FILES:
        path = f"events/{attempt.number:04d}-{attempt.event_files + len(files):06d}.jsonl"
        try:
            files.append(registry.get_artifact(run_id, path))
        except ArtifactNotFound:
            break
    return files


def add_events(session: Session, job: Job, attempt: Attempt, files: list[bytes]) -> None:
    """Copy event files into the store, with what they mean for the job. Job and attempt belong to
    the session."""
    for event in (event for file in files for event in parse_events(file)):
        if job.attempt == attempt.number:
            changes.mark_running(session, job, attempt)
        changes.append_event(session, job, event.type, event.data, event.time)
        _note_progress(job, attempt, event)
    attempt.event_files += len(files)


def parse_events(file: bytes) -> Iterator[DriverEvent]:
    """The file's events; a line that is none is logged and left out."""
    for line in file.splitlines():
        try:
            content = json.loads(line)
            kind, time, data = (
                content["type"],
                datetime.fromisoformat(content["time"]),
                content.get("data") or {},
            )
            if (
                not _TYPE.fullmatch(kind)
                or kind.startswith(_OWN_TYPES)
                or not isinstance(data, dict)
            ):
                raise ValueError(f"no driver event is of type {kind!r} with such data")
        except (ValueError, TypeError, KeyError) as error:
            logger.warning("left out a line of driver events: %s", error)
        else:
            yield DriverEvent(type=kind, time=time if time.tzinfo else now(), data=data)


def _note_progress(job: Job, attempt: Attempt, event: DriverEvent) -> None:
    data = event.data
    try:
        if event.type == "progress":
            job.progress = _share(data["update"], data["n_updates"])
            job.eta_seconds = (
                None if data.get("eta_seconds") is None else float(data["eta_seconds"])
            )
        elif event.type == "cell":
            job.progress = _share(data["done"], data["total"])
            job.eta_seconds = _eta(job.progress, attempt, event.time)
        elif event.type == "version":
            job.version = version_record(data)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        logger.warning("the %s event of %s says nothing usable: %r", event.type, job.id, error)


def version_record(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the job keeps of the version that it made; raises KeyError or ValueError for anything
    else."""
    return {
        "optimizer": str(data["optimizer"]),
        "number": int(data["number"]),
        "sha256": str(data["sha256"]),
    }


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, float(part) / float(whole)))


def _eta(progress: float, attempt: Attempt, moment: datetime) -> float | None:
    if attempt.started_at is None or progress == 0:
        return None
    return max(0.0, (moment - attempt.started_at).total_seconds() * (1 - progress) / progress)


def add_log(session: Session, job: Job, attempt: Attempt, data: bytes, max_bytes: int) -> None:
    """Append to the job's log, up to `max_bytes` of it in all."""
    attempt.log_bytes += len(data)
    room = max_bytes - job.log_bytes
    if room <= 0:
        return
    if len(data) > room:
        data = data[:room] + TRUNCATED
    for start in range(0, len(data), CHUNK_BYTES):
        chunk = data[start : start + CHUNK_BYTES]
        session.add(
            LogChunk(job_id=job.id, start=job.log_bytes, attempt=attempt.number, data=chunk)
        )
        job.log_bytes += len(chunk)
