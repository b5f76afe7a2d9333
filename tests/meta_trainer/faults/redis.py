"""A Redis of a test's own, which keeps the state of a Ray head."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.embedded.ray_holder import find_free_ports
from tests.endings import end_all


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Its address; the test is skipped where there is no Redis."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    [port] = find_free_ports(1)
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    log = folder / "redis.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_for(port)
        yield f"127.0.0.1:{port}"
    finally:
        end_all({"redis": server}, {"redis": log})


def _wait_for(port: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
