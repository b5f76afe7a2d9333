"""What handlers of signals set."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Final

from meta_trainer.stop_signals import Flag, set_soon

N_SIGNALS: Final = 3000
PATIENCE_SECONDS: Final = 60
WAITER: Final = """
import signal, threading
from meta_trainer.stop_signals import set_soon

event = threading.Event()
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: set_soon(event))
signal.signal(signal.SIGUSR1, lambda *_: set_soon(ended))
print("ready", flush=True)
n_seen = 0
while not ended.wait(1e-6):
    n_seen += event.wait(1e-6)
    event.clear()
print(n_seen)
"""


def test_it_is_set_in_the_middle_of_a_wait_however_often() -> None:
    """A handler that calls `event.set()` itself fails here in two runs of three."""
    waiter = subprocess.Popen([sys.executable, "-c", WAITER], stdout=subprocess.PIPE, text=True)
    try:
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == "ready\n"
        for _ in range(N_SIGNALS):
            waiter.send_signal(signal.SIGTERM)
            time.sleep(2e-4)
        waiter.send_signal(signal.SIGUSR1)
        output, _ = waiter.communicate(timeout=PATIENCE_SECONDS)
    finally:
        waiter.kill()
        waiter.wait()
    assert waiter.returncode == 0
    assert int(output) > N_SIGNALS / 100


def test_it_waits_for_no_lock_of_the_event() -> None:
    """A handler that calls `event.set()` itself waits here for ever."""
    event = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: set_soon(event))
    try:
        with event._cond:  # type: ignore[attr-defined]  # as `event.wait` does for a moment
            os.kill(os.getpid(), signal.SIGTERM)
        assert event.wait(PATIENCE_SECONDS)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_flag_is_set_at_once() -> None:
    flag = Flag()
    before = signal.signal(signal.SIGTERM, lambda *_: flag.set())
    try:
        assert not flag.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert flag.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
