"""kill -9 of Ray's head process: with its state in Redis, the running job does not notice more than a pause."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meta_trainer.runners.ray_runner import RayRunner
from tests.meta_trainer.conftest import MemoryRecorder
from tests.meta_trainer.faults.cluster import FORGIVEN, Nodes
from tests.meta_trainer.faults.jobs import digest, train
from tests.meta_trainer.faults.vocabulary import Faulty, restart_head

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings(FORGIVEN),
]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis of the test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(port)
    yield f"127.0.0.1:{port}"
    server.terminate()
    server.wait(30)


def wait_for(port: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_job_survives_kill_9_of_a_head_with_redis(
    redis: str, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_REDIS_ADDRESS", redis)
    nodes = Nodes(1)
    try:
        runner, recorder = Faulty(RayRunner(), nodes, [restart_head(at_period=3)]), MemoryRecorder()
        assert digest(train(runner, recorder)) == undisturbed
        assert runner.inflicted == ["restart head"]
        assert sorted(recorder.series("meta_loss")) == [1, 2, 3, 4, 5, 6]
    finally:
        nodes.close()
