"""Runs the command `hyperadam` in this process, and plays what happens to jobs that it submits."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from hyperadam.api import Client
from hyperadam.cli import app
from typer.testing import CliRunner


def run(*arguments: str, code: int = 0) -> Any:
    """What the command printed; it has to end with this exit code."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def read_documents(*arguments: str, code: int = 0) -> list[Any]:
    """The JSON documents that the command printed, one a line."""
    lines = run(*arguments, code=code).stdout.splitlines()
    return [json.loads(line) for line in lines]


def play_first_job(client: Client, action: Callable[[str], None]) -> threading.Thread:
    """Acts, in a thread, on the first job that somebody submits."""

    def wait() -> None:
        jobs = list(client.jobs.list())
        while not jobs:
            time.sleep(0.01)
            jobs = list(client.jobs.list())
        action(jobs[0].id)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread
