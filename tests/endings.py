"""The end of processes that a test has started: all are asked, and none stays behind.

One that does not end is a fault. It is asked where it is, so that the next time tells the cause:
Python writes the stacks of all its threads at SIGABRT, where `ENVIRONMENT` is set. One that ends
with a complaint is a fault, too: a part of the service whose time to stop is over ends itself so
(`services.stop_limit`).
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

ENVIRONMENT: Final = {"PYTHONFAULTHANDLER": "1"}
"""Of processes that tell where they are."""
ENDING_SECONDS: Final = 180.0
"""Far more than any part of the service takes, for a machine with much else to do."""
STACKS_SECONDS: Final = 10.0
N_CHARACTERS: Final = 8000
"""Of the end of a log."""

Process = subprocess.Popen[Any]


def end_all(
    processes: Mapping[str, Process],
    logs: Mapping[str, Path],
    seconds: float = ENDING_SECONDS,
    number: signal.Signals = signal.SIGTERM,
) -> None:
    """Ask all to end, and wait for each.

    Args:
        processes: by name; some may have ended.
        logs: where each writes what it has to say.
        seconds: that they have for it together.
        number: of the signal by which they are asked.

    Raises:
        AssertionError: some did not end, with their stacks; or ended neither well nor by that very
            signal; with the ends of their logs. None of the processes is left, whatever happens.
    """
    deadline = time.monotonic() + seconds
    asked = [name for name, process in processes.items() if process.poll() is None]
    try:
        for name in asked:
            processes[name].send_signal(number)
        late = [name for name in asked if not _ends_by(processes[name], deadline)]
        for name in late:
            processes[name].send_signal(signal.SIGABRT)
            _ends_by(processes[name], time.monotonic() + STACKS_SECONDS)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    troubles = dict.fromkeys(late, f"had not ended {seconds:g} s after {number.name}")
    for name in asked:
        status = processes[name].returncode
        if name not in late and status not in (0, -number):
            troubles[name] = f"ended with {status} after {number.name}"
    complaints = [
        f"{name} {trouble}:\n{_read_end(logs[name])}" for name, trouble in troubles.items()
    ]
    assert not complaints, "\n\n".join(complaints)


def _ends_by(process: Process, deadline: float) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
    return process.returncode is not None


def _read_end(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-N_CHARACTERS:]
