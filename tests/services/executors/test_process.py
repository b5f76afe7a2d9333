from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.executors.contract import Executor
from services.executors.process import ProcessExecutor
from tests.services.executors.contract import WAITS, ExecutorContract

pytestmark = pytest.mark.slow

SUBMIT = """
import os, signal, sys
from pathlib import Path
from services.executors.process import ProcessExecutor
folder, process_id, code = sys.argv[1:]
ProcessExecutor(Path(folder)).submit(process_id, [sys.executable, "-c", code], {})
"""


class TestProcessExecutor(ExecutorContract):
    def make_executor(self, folder: Path) -> Executor:
        return ProcessExecutor(folder / "processes")

    def test_survives_the_process_that_submitted_it(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        code = f"{SUBMIT}\nos.kill(os.getpid(), signal.SIGKILL)"
        folder = str(tmp_path / "processes")
        subprocess.run([sys.executable, "-c", code, folder, "orphan", WAITS], check=False)
        self.until_said(executor, "orphan", "ready")
        assert executor.status("orphan") == "running"
        executor.stop("orphan")
        self.until(lambda: executor.status("orphan") == "succeeded")

    def test_killed_supervisor_leaves_a_driver_that_still_counts(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        process_id = self.start(executor, "lonely", WAITS)
        self.until_said(executor, process_id, "ready")
        supervisor = int((tmp_path / "processes" / process_id / "group").read_text())
        os.kill(supervisor, signal.SIGKILL)
        time.sleep(0.05)
        assert executor.status(process_id) == "running"
        executor.stop(process_id)
        self.until(lambda: executor.status(process_id) == "failed")
        self.until_said(executor, process_id, "asked")

    def test_racing_submissions_run_once(self, tmp_path: Path) -> None:
        marks = tmp_path / "marks"
        mark = f"open({str(marks)!r}, 'a').write('x')"
        command = [sys.executable, "-c", SUBMIT, str(tmp_path / "processes"), "race", mark]
        racers = [subprocess.Popen(command) for _ in range(3)]
        assert [racer.wait() for racer in racers] == [0, 0, 0]
        executor = self.make_executor(tmp_path)
        self.until(lambda: executor.status("race") == "succeeded")
        assert marks.read_text() == "x"
