"""kill -9 of a real reconciler process, at the worst moment: the driver was started, the job store
does not know."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from registry.memory import InMemoryRegistry
from services.container import Container
from services.executors.process import ProcessExecutor
from services.reconciler.loop import Reconciler
from tests.services.support import Stage

pytestmark = pytest.mark.slow

KILLED = """
import os, signal, sys
from pathlib import Path
from registry.memory import InMemoryRegistry
from services.database.base import Database
from services.executors.process import ProcessExecutor
from services.reconciler.loop import Reconciler
from services.settings import Settings

class Killed(ProcessExecutor):
    def submit(self, *arguments):
        super().submit(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings.model_validate_json(sys.argv[1])
executor = Killed(settings.home / "processes")
Reconciler(settings, Database(settings.database_url), InMemoryRegistry(), executor).tick()
"""


def test_killed_between_submission_and_its_record(
    stage: Stage, services: Container, tmp_path: Path
) -> None:
    driver = tmp_path / "driver"
    driver.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\nexec sleep 30\n")
    driver.chmod(0o700)
    settings = services.settings.model_copy(update={"python": str(driver), "lease_seconds": 1.0})
    job = stage.submit()
    killed = subprocess.run([sys.executable, "-c", KILLED, settings.model_dump_json()], check=False)
    assert killed.returncode == -signal.SIGKILL

    executor = ProcessExecutor(tmp_path / "processes")
    successor = Reconciler(settings, services.database, InMemoryRegistry(), executor)
    try:
        deadline = time.monotonic() + 10
        while not successor.tick():  # until the dead one's lease ends
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert executor.status(f"{job}-a1") == "running"
        assert (tmp_path / "runs").read_text() == "run\n"
        assert stage.job(job)["attempt"] == 1
        assert stage.job(job)["run_id"] is not None
    finally:
        executor.kill(f"{job}-a1")
