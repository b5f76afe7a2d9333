"""`hyperadam-server up` as a process, ready to be asked and ended with all that it started."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2

from services.executors.process import ProcessExecutor
from tests.endings import ENVIRONMENT, end_all

PATIENCE_SECONDS = 600


@contextmanager
def serve_home(
    home: Path, environment: Mapping[str, str], log: Path, options: Sequence[str] = ()
) -> Iterator[str]:
    """The address of a service on a port that is free, once it is ready.

    Args:
        home: where it announces itself.
        log: what it writes to its terminal.
        options: of the command, besides the port.
    """
    command = [sys.executable, "-m", "services.cli", "up", "--port", "0", *options]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env={**environment, **ENVIRONMENT}, stdout=output, stderr=output
        )
    try:
        announcement = home / "server.json"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not announcement.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        url = str(json.loads(announcement.read_text())["url"])
        while httpx2.get(f"{url}/readyz", timeout=60).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
        end_all({"up": process}, {"up": log})
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
        processes = home / "processes"
        for driver in processes.iterdir() if processes.exists() else ():
            ProcessExecutor(processes).kill(driver.name)
