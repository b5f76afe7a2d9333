"""A process that does not end tells where it was, and is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.endings import ENVIRONMENT, end_all

DEAF = """
import signal, time

def hear_nothing():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(600)

hear_nothing()
"""
COMPLAINING = """
import signal, sys, time

signal.signal(signal.SIGTERM, lambda *_: sys.exit("no time is left"))
print("ready", flush=True)
time.sleep(600)
"""
WILLING = "print('ready', flush=True); import time; time.sleep(600)"


def start(program: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=output, stderr=output, env=ENVIRONMENT
        )
    while log.read_text() != "ready\n":
        assert process.poll() is None, log.read_text()
    return process


def test_all_end(tmp_path: Path) -> None:
    logs = {name: tmp_path / name for name in ("one", "other")}
    processes = {name: start(WILLING, log) for name, log in logs.items()}
    end_all(processes, logs)
    assert [process.returncode for process in processes.values()] == [-15, -15]


def test_who_does_not_end_is_named_with_its_stacks_and_gone(tmp_path: Path) -> None:
    logs = {name: tmp_path / name for name in ("deaf", "willing")}
    processes = {
        "deaf": start(DEAF, logs["deaf"]),
        "willing": start(WILLING, logs["willing"]),
    }
    with pytest.raises(AssertionError, match=r"deaf had not ended 0\.5 s after SIGTERM") as caught:
        end_all(processes, logs, seconds=0.5)
    assert "in hear_nothing" in str(caught.value)
    assert "willing had" not in str(caught.value)
    assert None not in [process.returncode for process in processes.values()]


def test_an_end_with_a_complaint_is_none(tmp_path: Path) -> None:
    processes = {"complaining": start(COMPLAINING, tmp_path / "log")}
    with pytest.raises(AssertionError, match="ended with 1 after SIGTERM:\nready\nno time is left"):
        end_all(processes, {"complaining": tmp_path / "log"})


def test_one_that_had_ended_before_is_not_asked(tmp_path: Path) -> None:
    process = start(WILLING, tmp_path / "log")
    process.kill()
    process.wait()
    end_all({"gone": process}, {"gone": tmp_path / "log"})
