"""A newcomer's shell, and a service that it finds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from services.executors.process import ProcessExecutor


@pytest.fixture(scope="package")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Their environment, with a home folder of their own.

    Their curl fails where it got an error status, which it does not do by default.
    """
    home = tmp_path_factory.mktemp("newcomer")
    (home / ".curlrc").write_text("fail-with-body\nshow-error\n")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HYPERADAM_", "XDG_"))
    }
    environment["HOME"] = str(home)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["HYPERADAM_EXECUTOR"] = "process"
    environment["OMP_NUM_THREADS"] = "1"
    return environment


@pytest.fixture(scope="package")
def url(newcomer: dict[str, str]) -> Iterator[str]:
    """Of `hyperadam-server up`, on a port that is free."""
    home = Path(newcomer["HOME"])
    command = [sys.executable, "-m", "services.cli", "up", "--port", "0"]
    announcement = home / ".local/share/hyperadam/server.json"
    with (home / "up.log").open("w") as log:
        process = subprocess.Popen(command, env=newcomer, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 240
        while not announcement.exists():
            assert process.poll() is None, (home / "up.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        url = json.loads(announcement.read_text())["url"]
        while httpx2.get(f"{url}/readyz", timeout=60).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
        processes = announcement.parent / "processes"
        for driver in processes.iterdir() if processes.exists() else ():
            ProcessExecutor(processes).kill(driver.name)
