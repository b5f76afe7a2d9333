from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from services.embedded.ray_cluster import EmbeddedRay
from services.executors.contract import Executor, ExecutorUnavailable
from services.executors.ray_jobs import RayJobsExecutor
from tests.services.executors.contract import ExecutorContract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


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


def test_no_cluster_is_a_clear_error() -> None:
    executor = RayJobsExecutor(lambda: "http://127.0.0.1:9", grace_seconds=1)
    with pytest.raises(ExecutorUnavailable, match="Ray does not answer"):
        executor.check()
