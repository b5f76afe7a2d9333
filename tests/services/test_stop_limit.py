"""What hangs at a stop is ended, and tells where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Final

import pytest

SECONDS: Final = 1.0
HANGING: Final = f"""
import threading
from services.stop_limit import StopLimit, stop_at_signals

stop = threading.Event()
stop_at_signals(stop, StopLimit({SECONDS}))
print("ready", flush=True)

def wait_for_nothing():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

stop.wait()
if HANGS:
    wait_for_nothing()
"""


def start(*, hangs: bool) -> subprocess.Popen[str]:
    program = f"HANGS = {hangs}{HANGING}"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_hangs_ends_in_time_and_says_where_it_was(number: int) -> None:
    process = start(hangs=True)
    process.send_signal(number)
    began = time.monotonic()
    while time.monotonic() < began + SECONDS / 2:  # more signals give no more time
        process.send_signal(number)
        time.sleep(0.01)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "in wait_for_nothing" in errors


def test_what_ends_by_itself_is_left_alone() -> None:
    process = start(hangs=False)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""
