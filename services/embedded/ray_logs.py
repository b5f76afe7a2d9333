"""Logs of a local Ray cluster: each worker and job leaves files of its own, which nobody removes.

What a job's driver wrote is in the job store soon after its end; the rest is for looking at a
cluster that has trouble now.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

KEPT_SECONDS: Final = 3600.0
"""Since the last write."""
ROUND_SECONDS: Final = 600.0
OF_PROCESSES: Final = re.compile(
    r"(worker|python-core-worker|python-core-driver|io-worker|job-driver|runtime_env_setup)-.*"
)
"""Names of logs of workers, jobs and their environments; others are the cluster's own."""


def prune_logs(folder: Path, kept_seconds: float = KEPT_SECONDS) -> int:
    """Remove the logs of processes that have ended, below Ray's folder; how many they were."""
    oldest = time.time() - kept_seconds
    old = []
    for path in folder.glob("session_*/logs/*"):
        with suppress(OSError):
            status = path.lstat()
            if OF_PROCESSES.fullmatch(path.name) and status.st_mtime < oldest:
                old.append(path)
    if not old:
        return 0
    open_files = list_open_files()
    left = [path for path in old if path.resolve() not in open_files]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def prune_now_and_then(folder: Path) -> None:
    """For as long as the process lives."""
    while True:
        time.sleep(ROUND_SECONDS)
        with suppress(OSError):
            prune_logs(folder)


def list_open_files() -> set[Path]:
    """Files that a process of this user has open; none where the system does not tell."""
    files = set()
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):  # another user's, or it has ended
            for link in folder.iterdir():
                with suppress(OSError):
                    files.add(link.readlink())
    return files
