"""What every executor must do: inherit and supply `make_executor`. Real processes, real signals."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from services.executors.contract import ENDED, Executor, ExecutorUnavailable

WAITS = """
import signal, sys, time
def end(*_):
    print("asked", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


class ExecutorContract(ABC):
    patience_seconds: ClassVar[float] = 10.0

    @abstractmethod
    def make_executor(self, folder: Path) -> Executor:
        """An executor whose kill follows its stop by at least a second."""

    @pytest.fixture
    def executor(self, tmp_path: Path) -> Iterator[Executor]:
        executor = self.make_executor(tmp_path)
        self.until(lambda: self.is_ready(executor))
        yield executor
        executor.close()

    def is_ready(self, executor: Executor) -> bool:
        try:
            executor.check()
        except ExecutorUnavailable:
            return False
        return True

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.patience_seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    def until_said(self, executor: Executor, process_id: str, line: str) -> None:
        """Wait for a whole line.

        A log may begin with the command, and so with all that its code has in quotes.
        """
        self.until(lambda: line.encode() in executor.log(process_id).splitlines())

    def start(self, executor: Executor, name: str, code: str, **environment: str) -> str:
        process_id = f"{name}-{time.time_ns()}"
        executor.submit(process_id, [sys.executable, "-c", code], environment)
        return process_id

    def test_runs_with_environment_and_keeps_output(self, executor: Executor) -> None:
        code = "import os, sys; print(os.environ['GREETING']); print('bad', file=sys.stderr)"
        process_id = self.start(executor, "hello", code, GREETING="good day")
        self.until(lambda: executor.status(process_id) == "succeeded")
        self.until_said(executor, process_id, "bad")
        log = executor.log(process_id)
        assert b"good day\n" in log
        assert executor.log(process_id, after=4) == log[4:]
        assert executor.log(process_id, after=len(log)) == b""

    def test_reports_failure(self, executor: Executor) -> None:
        process_id = self.start(executor, "fail", "raise SystemExit(3)")
        self.until(lambda: executor.status(process_id) == "failed")

    def test_argument_with_shell_characters_arrives_whole(self, executor: Executor) -> None:
        process_id = f"quote-{time.time_ns()}"
        argument = "a b; $HOME 'c'"
        command = [sys.executable, "-c", "import sys; print(sys.argv[1])", argument]
        executor.submit(process_id, command, {})
        self.until_said(executor, process_id, argument)

    def test_unknown_id(self, executor: Executor) -> None:
        assert executor.status("never-submitted") == "unknown"
        assert executor.log("never-submitted") == b""
        executor.stop("never-submitted")
        executor.kill("never-submitted")

    def test_repeated_submission_runs_once(self, executor: Executor, tmp_path: Path) -> None:
        marks = tmp_path / "marks"
        code = f"open({str(marks)!r}, 'a').write('x')"
        process_id = self.start(executor, "once", code)
        executor.submit(process_id, [sys.executable, "-c", code], {})
        self.until(lambda: executor.status(process_id) in ENDED)
        executor.submit(process_id, [sys.executable, "-c", code], {})
        time.sleep(0.3)
        assert marks.read_text() == "x"
        assert executor.status(process_id) == "succeeded"

    def test_stop_lets_it_end_by_itself(self, executor: Executor) -> None:
        process_id = self.start(executor, "wait", WAITS)
        self.until_said(executor, process_id, "ready")
        assert executor.status(process_id) == "running"
        executor.stop(process_id)
        self.until(lambda: executor.status(process_id) in ENDED)
        self.until_said(executor, process_id, "asked")

    def test_kill_ends_a_deaf_one(self, executor: Executor) -> None:
        process_id = self.start(executor, "deaf", DEAF)
        self.until_said(executor, process_id, "ready")
        executor.stop(process_id)
        time.sleep(0.3)
        assert executor.status(process_id) == "running"
        executor.kill(process_id)
        self.until(lambda: executor.status(process_id) == "failed")

    def test_another_executor_finds_what_this_one_started(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        process_id = self.start(executor, "found", WAITS)
        self.until_said(executor, process_id, "ready")
        other = self.make_executor(tmp_path)
        assert other.status(process_id) == "running"
        other.stop(process_id)
        self.until(lambda: other.status(process_id) in ENDED)
        self.until_said(other, process_id, "asked")
        other.close()
