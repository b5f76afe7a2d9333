"""Ray Tune carries out studies: stopping early, going on after kill -9, two nodes side by side,
populations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from hyperadam.theta import Theta
from ray.cluster_utils import Cluster

from meta_trainer.datasets import load
from meta_trainer.runners import InProcessRunner, NoRoom
from meta_trainer.runs.kernel import save_kernel
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.conductor import Conductor
from meta_trainer.studies.ledger import THETA_PATH, Ledger, TrialRecord
from meta_trainer.studies.on_ray import Tools, run_trials
from meta_trainer.training.loop import MetaTraining
from registry import Registry, connect
from tests.meta_trainer.conftest import MemoryRecorder
from tests.meta_trainer.faults.cluster import STORE_BYTES, patiently
from tests.meta_trainer.studies.conftest import JOB, tiny_study
from tests.registry.stores import place_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]

ENDLESS = 10_000
"""Episodes of a training that a test ends."""


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[None]:
    """Two nodes of one core each, the head without any. Trials are as urgent as the test that waits
    for them."""
    lean = {"object_store_memory": STORE_BYTES, "include_dashboard": False}
    head = {**lean, "num_cpus": 0, "_system_config": {"worker_niceness": 0}}
    cluster = patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    for name in ("left", "right"):
        patiently(partial(cluster.add_node, wait=False, num_cpus=1, resources={name: 1}, **lean))
    ray.init(address=cluster.address, configure_logging=False, log_to_driver=False)
    cluster.wait_for_nodes()
    yield
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> Any:
    path = place_store(tmp_path / "mlflow.db")
    return partial(connect, f"sqlite:///{path}", str(tmp_path / "artifacts"))


def run_on_ray(
    spec: StudySpec, store: Any, enough: Callable[[Ledger], bool] = lambda ledger: False
) -> Ledger:
    """What becomes of a study that is paused once its ledger is `enough`, whatever its ledger is
    after that."""
    registry = store()
    run_id = registry.open_run(JOB, name="study")
    paused = False

    def should_stop() -> bool:
        nonlocal paused
        paused = paused or enough(conductor.ledger)
        return paused

    conductor = Conductor(
        spec, registry, run_id, JOB, MemoryRecorder(), lambda ledger: None, should_stop
    )
    run_trials(conductor, Tools(store, None), None)
    conductor.close()
    assert conductor.over
    return Ledger.load(registry, run_id)


def test_a_study_without_a_place_is_paused_at_once(two_nodes: None, store: Any) -> None:
    began = time.monotonic()
    spec = tiny_study(resources={"cpus": 64})
    ledger = run_on_ray(spec, store, enough=lambda ledger: bool(ledger.trials))
    assert time.monotonic() - began < 30
    assert not any(trial.ended for trial in ledger.trials)


def test_a_study_whose_kernel_no_worker_has_waits(two_nodes: None, store: Any) -> None:
    run_id = store().open_run(JOB, name="study")
    save_kernel(store(), run_id, "fused/of-another-machine")
    with pytest.raises(NoRoom, match="began with the kernel fused/of-another-machine"):
        run_on_ray(tiny_study(), store)
    assert [trial.state for trial in Ledger.load(store(), run_id).trials] == ["running"] * 2


def nodes_of(ledger: Ledger) -> set[str]:
    return {trial.node for trial in ledger.trials if trial.node is not None}


def test_trials_of_two_nodes_run_side_by_side(two_nodes: None, store: Any) -> None:
    """Each takes a node's only core, and neither has an end: two nodes come to word only if both
    run at once."""
    spec = tiny_study(base={"n_episodes": ENDLESS}, limits={"trials": 2, "parallel_trials": 2})
    ledger = run_on_ray(spec, store, enough=lambda ledger: len(nodes_of(ledger)) == 2)
    assert [trial.state for trial in ledger.trials] == ["running"] * 2  # paused, to go on
    assert all(trial.updates for trial in ledger.trials)


def test_a_population_goes_on_from_its_better_half(two_nodes: None, store: Any) -> None:
    spec = tiny_study(
        space={"meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-5, "high": 1e-1}},
        searcher={"kind": "pbt", "population": 2, "perturb_every_updates": 2, "quantile": 0.5},
        limits={"parallel_trials": 2},
        base={"n_episodes": ENDLESS},
    )
    ledger = run_on_ray(spec, store, enough=lambda ledger: any(map(trained_on, ledger.trials)))
    changed = next(filter(trained_on, ledger.trials))
    assert changed.history[-1]["values"] != changed.values
    assert 1e-5 <= changed.values["meta_optimizer.rate"] <= 1e-1


def trained_on(member: TrialRecord) -> bool:
    """Whether it told of something new since it was first changed."""
    return bool(member.history) and member.updates > member.history[0]["update"]


def test_trials_are_plain_jobs_that_are_stopped_early_where_resources_say(
    two_nodes: None, store: Any
) -> None:
    spec = tiny_study(
        space={"meta_optimizer.rate": {"kind": "choice", "options": [0.02, 0.001, 0.002]}},
        searcher={"kind": "grid"},
        scheduler={"kind": "asha", "grace_updates": 4, "reduction": 2.0},
        base={"n_episodes": 8},
        resources={"custom": {"right": 1}},
        limits={"trials": 3, "parallel_trials": 1},
    )
    ledger = run_on_ray(spec, store)
    right = next(node["NodeID"] for node in ray.nodes() if "right" in node["Resources"])
    assert nodes_of(ledger) == {right}
    assert {trial.state for trial in ledger.trials} == {"completed", "stopped"}
    best = min(ledger.trials, key=lambda trial: trial.reports[-1].best_validation_loss)
    assert best.state == "completed"
    plain = MetaTraining(
        spec.trial_spec(best.values, best.seed),
        load("mnist5k"),
        InProcessRunner(),
        MemoryRecorder(),
    )
    theta = Theta.from_bytes(store().get_artifact(best.run_id, THETA_PATH))
    assert torch.equal(theta.vector, plain.run().theta)


def test_a_killed_driver_goes_on_and_ends_in_the_same_study(tmp_path: Path, store: Any) -> None:
    """kill -9 in the middle of a real study's driver, then a second attempt."""
    spec = tiny_study(base={"n_episodes": 8}, limits={"trials": 2, "parallel_trials": 1})
    registry = store()
    run_id = registry.open_run(JOB, name="study")
    order = {"job_id": JOB, "kind": "study", "name": "tiny", "spec": spec.model_dump(mode="json")}
    registry.put_artifact(run_id, "job.json", json.dumps(order).encode())
    first = start_driver(tmp_path, run_id, attempt=1)
    try:
        wait_for_report(registry, run_id, first)
    finally:
        first.kill()
        first.wait()
    before = Ledger.load(registry, run_id)
    second = start_driver(tmp_path, run_id, attempt=2)
    try:
        assert second.wait(timeout=300) == 0
    finally:
        second.kill()
        second.wait()
    after = Ledger.load(registry, run_id)
    done = json.loads(registry.get_artifact(run_id, "attempts/0002/done.json"))
    assert done["outcome"] == "succeeded"
    assert [trial.state for trial in after.trials] == ["completed"] * 2
    for old, new in zip(before.trials, after.trials, strict=False):
        assert new.values == old.values
        assert (
            new.reports[: len(old.reports)] == old.reports
        )  # nothing that was told was done again
    result = json.loads(registry.get_artifact(run_id, "result/result.json"))
    version = registry.version("hyperadam", "latest")
    assert result["version"]["sha256"] == version.sha256
    best = after.trials[result["best_trial"]]
    plain = MetaTraining(
        spec.trial_spec(best.values, best.seed),
        load("mnist5k"),
        InProcessRunner(),
        MemoryRecorder(),
    )
    assert torch.equal(Theta.from_bytes(registry.weights("hyperadam", 1)).vector, plain.run().theta)
    assert registry.get_artifact(run_id, "result/curves.png").startswith(b"\x89PNG")


def start_driver(folder: Path, run_id: str, attempt: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "HYPERADAM_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "HYPERADAM_ARTIFACT_LOCATION": str(folder / "artifacts"),
        "HYPERADAM_RUNNER": "in-process",
    }
    argv = [
        sys.executable,
        "-m",
        "meta_trainer.driver",
        "--run-id",
        run_id,
        "--attempt",
        str(attempt),
    ]
    with (folder / f"driver-{attempt}.log").open("wb") as log:
        return subprocess.Popen(
            argv, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def wait_for_report(registry: Registry, run_id: str, driver: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and driver.poll() is None:
        if any(trial.reports for trial in Ledger.load(registry, run_id).trials):
            return
        time.sleep(0.2)
    pytest.fail(f"no report came; the driver's status is {driver.poll()}")
