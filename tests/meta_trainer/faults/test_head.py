"""kill -9 of Ray's head process: with its state in Redis, the running job does not notice more than
a pause."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meta_trainer.runners.ray_runner import RayRunner
from tests.meta_trainer.conftest import MemoryRecorder
from tests.meta_trainer.faults.cluster import FORGIVEN, Nodes
from tests.meta_trainer.faults.jobs import digest, train
from tests.meta_trainer.faults.redis import running_redis
from tests.meta_trainer.faults.vocabulary import Faulty, restart_head

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings(FORGIVEN),
]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    with running_redis(tmp_path) as address:
        yield address


def test_job_survives_kill_9_of_a_head_with_redis(
    redis: str, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_REDIS_ADDRESS", redis)
    nodes = Nodes(1)
    try:
        runner = Faulty(RayRunner(), nodes, [restart_head(at_period=3)])
        recorder = MemoryRecorder()
        assert digest(train(runner, recorder)) == undisturbed
        assert runner.inflicted == ["restart head"]
        assert sorted(recorder.series("meta_loss")) == [1, 2, 3, 4, 5, 6]
    finally:
        nodes.close()
