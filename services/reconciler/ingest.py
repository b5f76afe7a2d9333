"""From what drivers leave to rows of the job store: events exactly once, logs byte for byte.

What was copied is counted in the attempt's row, in the same transaction as the copies; whoever goes
on after a crash goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.jobs import changes
from services.jobs.tables import Attempt, Job, LogChunk
from services.reconciler.driver_events import DriverEvent, parse_events
from services.reconciler.snapshots import LockedRows

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 64 << 10
TRUNCATED: Final = b"\n[the log is longer than the service keeps; the rest is left out]\n"


def add_events(rows: LockedRows, files: list[bytes]) -> None:
    """Append the events of the attempt's next files to the job's, with what they mean for it."""
    session, job, attempt = rows
    for file in files:
        for event in parse_events(file):
            if job.attempt == attempt.number:
                changes.mark_running(session, job, attempt)
            changes.append_event(session, job, event.type, event.data, event.time)
            _note_progress(job, attempt, event)
    attempt.event_files += len(files)


def skip_lost_files(rows: LockedRows, n_lost: int) -> None:
    """Go on after files that are not there while later ones are, and tell of it."""
    session, job, attempt = rows
    data = {"first_file": attempt.event_files, "n_files": n_lost}
    changes.append_event(session, job, "service.events_lost", data)
    attempt.event_files += n_lost


def _note_progress(job: Job, attempt: Attempt, event: DriverEvent) -> None:
    data = event.data
    try:
        if event.type == "progress":
            job.progress = _share(data["update"], data["n_updates"])
            eta_seconds = data.get("eta_seconds")
            job.eta_seconds = None if eta_seconds is None else float(eta_seconds)
        elif event.type == "cell":
            job.progress = _share(data["done"], data["total"])
            job.eta_seconds = _estimate_seconds(job.progress, attempt, event.time)
        elif event.type == "version":
            job.version = version_record(data)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        logger.warning("the %s event of %s says nothing usable: %r", event.type, job.id, error)


def version_record(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the job keeps of the version that it made.

    Raises:
        KeyError, ValueError: the data says something else.
    """
    return {
        "optimizer": str(data["optimizer"]),
        "number": int(data["number"]),
        "sha256": str(data["sha256"]),
    }


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, float(part) / float(whole)))


def _estimate_seconds(progress: float, attempt: Attempt, moment: datetime) -> float | None:
    """Time that the attempt will still take, at its pace so far; None: nothing can be said."""
    if attempt.started_at is None or progress == 0:
        return None
    elapsed_seconds = (moment - attempt.started_at).total_seconds()
    return max(0.0, elapsed_seconds * (1 - progress) / progress)


def add_log(rows: LockedRows, data: bytes, max_bytes: int) -> None:
    """Append to the job's log, up to `max_bytes` of it in all."""
    session, job, attempt = rows
    attempt.log_bytes += len(data)
    room = max_bytes - job.log_bytes
    if room <= 0:
        return
    if len(data) > room:
        data = data[:room] + TRUNCATED
    for start in range(0, len(data), CHUNK_BYTES):
        chunk = LogChunk(
            job_id=job.id,
            start=job.log_bytes,
            attempt=attempt.number,
            data=data[start : start + CHUNK_BYTES],
        )
        session.add(chunk)
        job.log_bytes += len(chunk.data)
