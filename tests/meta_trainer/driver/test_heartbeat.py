"""Signs of life: as long as the process lives, and none while it is frozen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meta_trainer.driver.heartbeat import alive_path, beating
from registry import RegistryError
from registry.memory import InMemoryRegistry

BEATING = """
import sys, time
from pathlib import Path
from meta_trainer.driver.heartbeat import beating
class Folder:
    def put_artifact(self, run_id, path, data): Path(sys.argv[1]).write_bytes(data)
with beating(Folder(), "run", 1, 0.01): time.sleep(60)
"""


def test_signs_come_while_the_work_says_nothing() -> None:
    registry = InMemoryRegistry()
    run_id = registry.open_run("job_1", name="job")
    with beating(registry, run_id, 1, seconds=0.01):
        deadline = time.monotonic() + 5
        seen = set[bytes]()
        while len(seen) < 2:
            assert time.monotonic() < deadline
            files = registry.list_artifacts(run_id, "attempts")
            seen |= {registry.get_artifact(run_id, file.path) for file in files}
    assert [file.path for file in registry.list_artifacts(run_id)] == [alive_path(1)]


def test_an_outage_ends_nothing() -> None:
    class Broken(InMemoryRegistry):
        def put_artifact(self, run_id: str, path: str, data: bytes) -> None:
            raise RegistryError("no room")

    with beating(Broken(), "run", 1, seconds=0.001):
        time.sleep(0.01)


@pytest.mark.slow
def test_a_frozen_process_gives_none(tmp_path: Path) -> None:
    sign = tmp_path / "alive"
    process = subprocess.Popen([sys.executable, "-c", BEATING, str(sign)])
    try:
        deadline = time.monotonic() + 60
        while not sign.exists() or not sign.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.1)
        frozen = sign.read_bytes()
        time.sleep(0.1)
        assert sign.read_bytes() == frozen
        os.kill(process.pid, signal.SIGCONT)
        while sign.read_bytes() in {frozen, b""}:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
