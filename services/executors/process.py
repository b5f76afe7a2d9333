"""Drivers as plain processes of this machine; each has its own session and outlives the service.

A submission is a folder `home/processes/ID` with a supervisor in it
(`services.executors.supervisor`). Whether a process lives is asked of the folder's file lock, which
the operating system releases with the last process that holds it: unlike a process id, it cannot
come to mean another process.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from services.executors import supervisor
from services.executors.contract import Executor, ExecutorUnavailable, ProcessStatus
from services.executors.surroundings import build_environment
from services.own_files import make_own_folder, open_own

logger = logging.getLogger(__name__)


class ProcessExecutor(Executor):
    """Runs processes under `folder`, which it makes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self) -> None:
        try:
            make_own_folder(self._folder)
        except OSError as error:
            raise ExecutorUnavailable(f"cannot use {self._folder}: {error.strerror}") from error

    def submit(self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        folder = self._folder / process_id
        make_own_folder(folder)
        if (folder / supervisor.GROUP).exists():
            return

        command = [sys.executable, "-m", "services.executors.supervisor", str(folder), *argv]
        environment = {**build_environment(os.environ), **environment}
        with open_own(folder / "supervisor.log", "wb") as log:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                check=False,
            )

        if not (folder / supervisor.GROUP).exists():
            reason = (folder / "supervisor.log").read_text("utf-8", "replace").strip()
            raise ExecutorUnavailable(
                f"the supervisor of {process_id} did not start: {reason[-500:]}"
            )

    def status(self, process_id: str) -> ProcessStatus:
        folder = self._folder / process_id
        # asked before the exit status: if the process ends in between, the status tells it
        is_alive = supervisor.is_locked(folder)

        with suppress(FileNotFoundError):
            exit_status = (folder / supervisor.EXIT).read_text()
            return "succeeded" if exit_status == "0" else "failed"
        if is_alive:
            return "running"
        return "failed" if (folder / supervisor.GROUP).exists() else "unknown"

    def stop(self, process_id: str) -> None:
        self._signal(process_id, signal.SIGTERM)

    def kill(self, process_id: str) -> None:
        self._signal(process_id, signal.SIGKILL)

    def log(self, process_id: str, after: int = 0) -> bytes:
        try:
            with open_own(self._folder / process_id / supervisor.LOG, "rb") as log:
                log.seek(after)
                return log.read()
        except FileNotFoundError:
            return b""
        except PermissionError as error:
            logger.warning("the log of %s is not read: %s", process_id, error)
            return b""

    def list_nodes(self) -> Sequence[Mapping[str, float]]:
        """This machine: a study's driver makes a Ray of its own on it."""
        return [{"CPU": float(os.cpu_count() or 1)}]

    def _signal(self, process_id: str, number: signal.Signals) -> None:
        folder = self._folder / process_id
        with suppress(FileNotFoundError, ProcessLookupError):
            if supervisor.is_locked(folder):  # so the group's id is still its own
                group = int((folder / supervisor.GROUP).read_text())
                os.killpg(group, number)
