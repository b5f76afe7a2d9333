from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from services.embedded.ray_cluster import EmbeddedRay
from services.executors.contract import Executor, ExecutorUnavailable
from services.executors.ray_jobs import RayJobsExecutor
from tests.services.executors.contract import ExecutorContract
from tests.services.sockets import list_descendants, list_listening

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

USES_A_WORKER = """
import time, ray
ray.init()
print(ray.get(ray.remote(lambda: "worked").remote()), flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRay]:
    """A local cluster as `hyperadam-server up` starts it."""
    ray = EmbeddedRay(tmp_path_factory.mktemp("home"))
    ray.start()
    yield ray
    ray.stop()


class TestRayJobsExecutor(ExecutorContract):
    patience_seconds: ClassVar[float] = 60.0

    @pytest.fixture(autouse=True)
    def _cluster(self, ray: EmbeddedRay) -> None:
        self.ray = ray

    def make_executor(self, folder: Path) -> Executor:
        return RayJobsExecutor(self.ray.address, grace_seconds=10, headers=self.ray.headers)


def test_every_socket_is_on_loopback(ray: EmbeddedRay) -> None:
    executor = RayJobsExecutor(ray.address, grace_seconds=1, headers=ray.headers)
    wait_until_ready(executor)
    deadline = time.monotonic() + 120
    log = b""
    while b"worked" not in log.splitlines():
        assert time.monotonic() < deadline, log
        with suppress(ExecutorUnavailable):  # a submission that took too long is found again
            executor.submit("listener", [sys.executable, "-c", USES_A_WORKER], {})
            log = executor.log("listener")
        time.sleep(0.2)

    assert [node["CPU"] for node in list_nodes(executor)] == [os.cpu_count()]
    listening = list_listening(list_descendants(os.getpid()))
    executor.stop("listener")
    assert len(listening) >= 8  # GCS, raylet, dashboard, agents, workers
    assert {address for address, _, _ in listening} == {"127.0.0.1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be a second user")
def test_a_second_user_does_not_reach_the_files_of_ray(ray: EmbeddedRay) -> None:
    executor = RayJobsExecutor(ray.address, grace_seconds=1, headers=ray.headers)
    wait_until_ready(executor)
    [folder] = find_ray_folders(os.getpid())
    planted = folder / "session_latest" / "logs" / "job-driver-next.log"
    attack = ["/bin/ln", "-s", "/etc/hostname", str(planted)]
    done = subprocess.run(attack, user=65534, group=65534, capture_output=True, check=False)
    assert b"Permission denied" in done.stderr
    assert not planted.is_symlink()


def find_ray_folders(root: int) -> set[Path]:
    """The folders that clusters below this process keep their files in."""
    folders = set()
    for process in list_descendants(root):
        with suppress(OSError):
            for argument in Path(f"/proc/{process}/cmdline").read_text().split("\0"):
                if argument.startswith("--temp-dir="):
                    folders.add(Path(argument.removeprefix("--temp-dir=")))
    return folders


def list_nodes(executor: RayJobsExecutor) -> Sequence[Mapping[str, float]]:
    """The nodes, as soon as there are any."""
    deadline = time.monotonic() + 60
    while True:
        with suppress(ExecutorUnavailable):
            nodes = executor.list_nodes()
            if nodes:
                return nodes
        assert time.monotonic() < deadline, "no node after a minute"
        time.sleep(0.2)


def wait_until_ready(executor: RayJobsExecutor) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            executor.check()
        except ExecutorUnavailable:
            assert time.monotonic() < deadline, "no cluster after a minute"
            time.sleep(0.1)
        else:
            return


def test_no_cluster_is_a_clear_error() -> None:
    executor = RayJobsExecutor(lambda: "http://127.0.0.1:9", grace_seconds=1)
    with pytest.raises(ExecutorUnavailable, match="Ray does not answer"):
        executor.check()
