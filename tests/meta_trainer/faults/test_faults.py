"""Whatever happens to workers and nodes, a meta-training goes on by itself and ends in the same Θ,
bit for bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from meta_trainer.runners import InProcessRunner, NoRoom, Runner
from meta_trainer.runners.ray_runner import RayRunner
from meta_trainer.training.kernel import name_kernel
from meta_trainer.training.result import Stopped, Trained
from meta_trainer.training.units import make_rule
from tests.meta_trainer.conftest import MemoryRecorder
from tests.meta_trainer.faults.cluster import FORGIVEN, Nodes
from tests.meta_trainer.faults.jobs import SPEC, digest, train
from tests.meta_trainer.faults.vocabulary import (
    Fault,
    Faulty,
    join,
    kill,
    kill_node,
    lose_all_nodes,
    lose_state,
    slow,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings(FORGIVEN),
]

N_NODES = 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    nodes = Nodes(N_NODES)
    yield nodes
    nodes.close()


@pytest.fixture
def nodes(cluster: Nodes) -> Nodes:
    """The cluster, complete again after what the test before did to it."""
    cluster.restore(N_NODES)
    return cluster


def interrupted(runner: Runner, *stops: int) -> Trained:
    """Stopped after each of these updates and resumed from the checkpoint by another training."""
    checkpoint = None
    for stop in stops:
        recorder = MemoryRecorder()
        with pytest.raises(Stopped):
            train(runner, recorder, resume=checkpoint, stop_at=stop)
        checkpoint = recorder.checkpoints[stop]
    return train(runner, MemoryRecorder(), resume=checkpoint)


def test_one_worker_three_nodes_and_interrupted_twice_give_the_same_sha256(
    nodes: Nodes, undisturbed: str
) -> None:
    digests = {
        "in process": undisturbed,
        "Ray, 1 worker": digest(train(RayRunner(max_workers=1), MemoryRecorder())),
        "Ray, 3 workers on 3 nodes": digest(train(RayRunner(), MemoryRecorder())),
        "Ray, interrupted twice": digest(interrupted(RayRunner(), 1, 5)),
        "in process, interrupted twice": digest(interrupted(InProcessRunner(), 2, 4)),
    }
    assert set(digests.values()) == {undisturbed}, digests


@pytest.mark.parametrize(
    "faults",
    [
        [kill(worker=1, at_period=3), kill(worker=2, at_period=4)],
        [kill_node(node=1, at_period=2), join(at_period=4)],
        [lose_state(chunk=1, at_period=3)],
    ],
    ids=lambda faults: " and ".join(fault.name for fault in faults),
)
def test_what_is_lost_is_made_again(nodes: Nodes, undisturbed: str, faults: list[Fault]) -> None:
    runner = Faulty(RayRunner(), nodes, faults)
    assert digest(train(runner, MemoryRecorder())) == undisturbed
    assert runner.inflicted == [fault.name for fault in faults]


def test_chunk_of_a_slow_worker_is_run_again_elsewhere(
    nodes: Nodes, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meta_trainer.runners.ray_runner.LEAST_PATIENCE_SECONDS", 0.5)
    events: list[tuple[str, Any]] = []
    runner = Faulty(RayRunner(), nodes, [slow(worker=0, factor=50, at_period=2)])
    runner.listen(lambda kind, data: events.append((kind, data)))
    try:
        assert digest(train(runner, MemoryRecorder())) == undisturbed
    finally:
        runner.close()
    repeated_calls = [data["call"] for kind, data in events if kind == "call.repeated"]
    assert "run_period" in repeated_calls


def test_a_worker_that_joins_without_the_kernel_has_no_part_in_it(
    nodes: Nodes, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = name_kernel(make_rule(SPEC.rule))
    assert kernel.startswith("fused/")
    for number in nodes.numbers:
        nodes.kill(number)
    other = nodes.join(HYPERADAM_KERNEL="off")
    monkeypatch.setattr("meta_trainer.runners.ray_runner.ROOM_SECONDS", 1.0)
    with pytest.raises(NoRoom, match=f"began with the kernel {kernel}, .* have plain"):
        train(RayRunner(), MemoryRecorder(), kernel=kernel)

    monkeypatch.undo()
    nodes.restore(2)
    assert digest(train(RayRunner(), MemoryRecorder(), kernel=kernel)) == undisturbed
    nodes.kill(other)


def test_without_any_node_the_job_waits_and_says_so(nodes: Nodes, undisturbed: str) -> None:
    numbers_of_workers: list[int] = []

    def listen(kind: str, data: Mapping[str, Any]) -> None:
        if kind == "workers":
            numbers_of_workers.append(data["n"])
            if not data["n"]:
                nodes.join()

    runner = Faulty(RayRunner(), nodes, [lose_all_nodes(at_period=2)])
    runner.listen(listen)
    assert digest(train(runner, MemoryRecorder())) == undisturbed
    first_without = numbers_of_workers.index(0)
    assert numbers_of_workers[first_without + 1] == 1


def test_agents_and_their_nodes_may_be_lost(nodes: Nodes, undisturbed: str) -> None:
    """An agent is made anew, and with it the states that it had handed out: of its chunks alone,
    from the Θs of the episode."""
    done: list[str] = []

    class Hurting(MemoryRecorder):
        def metrics(self, step: int, values: Mapping[str, float]) -> None:
            super().metrics(step, values)
            if step == 2 and not done:
                os.kill(nodes.list_agents()[0], signal.SIGKILL)
                done.append("agent")
            if step == 5 and len(done) == 1:
                nodes.kill(2)
                done.append("node")

    trained = train(RayRunner(branch_size=2), Hurting())
    assert done == ["agent", "node"]
    assert digest(trained) == undisturbed
