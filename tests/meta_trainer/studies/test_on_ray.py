"""Ray Tune carries out studies: stopping early, going on after kill -9, two nodes side by side, populations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from hyperadam.theta import Theta
from ray.cluster_utils import Cluster

from meta_trainer.datasets import load
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.conductor import Conductor
from meta_trainer.studies.ledger import THETA_PATH, Ledger
from meta_trainer.studies.on_ray import Tools, run_trials
from meta_trainer.training import MetaTraining
from registry import Registry, connect
from tests.meta_trainer.conftest import MemoryRecorder
from tests.meta_trainer.studies.conftest import JOB, tiny_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[None]:
    """Two nodes of one core each, the head without any."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for name in ("left", "right"):
        cluster.add_node(num_cpus=1, resources={name: 1})
    ray.init(address=cluster.address, configure_logging=False)
    yield
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> Any:
    return partial(connect, f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"))


def run_on_ray(spec: StudySpec, store: Any) -> Ledger:
    registry = store()
    run_id = registry.open_run(JOB, name="study")
    conductor = Conductor(spec, registry, run_id, JOB, MemoryRecorder(), lambda ledger: None, lambda: False)
    run_trials(conductor, Tools(store, None), None)
    conductor.close()
    return conductor.ledger


def test_trials_of_two_nodes_run_side_by_side_and_as_plain_jobs(two_nodes: None, store: Any) -> None:
    """Each trial takes a node's only core, so two that run at once run on different ones. They are long enough that the
    second begins before the first ends."""
    space = {"meta_optimizer.rate": {"kind": "choice", "options": [0.02, 0.001, 0.002]}}
    spec = tiny_study(
        space=space,
        searcher={"kind": "grid"},
        scheduler={"kind": "asha", "grace_updates": 20, "reduction": 2.0},
        base={"n_episodes": 80, "validation": {"every_episodes": 10, "n_learners": 2}},
        limits={"trials": 3, "parallel_trials": 2},
    )
    ledger = run_on_ray(spec, store)
    assert len({trial.node for trial in ledger.trials}) == 2
    assert {trial.state for trial in ledger.trials} <= {"completed", "stopped"}
    best = min(ledger.trials, key=lambda trial: trial.reports[-1].best_validation_loss)
    assert best.state == "completed"
    plain = MetaTraining(spec.trial_spec(best.values, best.seed), load("mnist5k"), InProcessRunner(), MemoryRecorder())
    theta = Theta.from_bytes(store().get_artifact(best.run_id, THETA_PATH))
    assert torch.equal(theta.vector, plain.run().theta)


def test_a_population_goes_on_from_its_better_half(two_nodes: None, store: Any) -> None:
    spec = tiny_study(
        space={"meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-5, "high": 1e-1}},
        searcher={"kind": "pbt", "population": 2, "perturb_every_updates": 2, "quantile": 0.5},
        limits={"parallel_trials": 2},
        base={"n_episodes": 6},
    )
    ledger = run_on_ray(spec, store)
    assert [trial.state for trial in ledger.trials] == ["completed"] * 2
    changes = [change for trial in ledger.trials for change in trial.history]
    assert changes
    assert all(1e-5 <= change["values"]["meta_optimizer.rate"] <= 1e-1 for change in changes)


def test_resources_say_where_a_trial_runs(two_nodes: None, store: Any) -> None:
    spec = tiny_study(limits={"trials": 2}, resources={"custom": {"right": 0.5}, "cpus": 0.5})
    nodes = {trial.node for trial in run_on_ray(spec, store).trials}
    right = next(node["NodeID"] for node in ray.nodes() if "right" in node["Resources"])
    assert nodes == {right}


def test_a_killed_driver_goes_on_and_ends_in_the_same_study(tmp_path: Path, store: Any) -> None:
    """kill -9 in the middle of a real study's driver, then a second attempt."""
    spec = tiny_study(base={"n_episodes": 8}, limits={"trials": 3, "parallel_trials": 1})
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
    assert second.wait(timeout=300) == 0
    after = Ledger.load(registry, run_id)
    done = json.loads(registry.get_artifact(run_id, "attempts/0002/done.json"))
    assert done["outcome"] == "succeeded"
    assert [trial.state for trial in after.trials] == ["completed"] * 3
    for old, new in zip(before.trials, after.trials, strict=False):
        assert new.values == old.values
        assert new.reports[: len(old.reports)] == old.reports  # nothing that was told was done again
    result = json.loads(registry.get_artifact(run_id, "result/result.json"))
    version = registry.version("hyperadam", "latest")
    assert result["version"]["sha256"] == version.sha256
    best = after.trials[result["best_trial"]]
    plain = MetaTraining(spec.trial_spec(best.values, best.seed), load("mnist5k"), InProcessRunner(), MemoryRecorder())
    assert torch.equal(Theta.from_bytes(registry.weights("hyperadam", 1)).vector, plain.run().theta)
    assert registry.get_artifact(run_id, "result/curves.png").startswith(b"\x89PNG")


def start_driver(folder: Path, run_id: str, attempt: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "HYPERADAM_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "HYPERADAM_ARTIFACT_LOCATION": str(folder / "artifacts"),
        "HYPERADAM_RUNNER": "in-process",
    }
    argv = [sys.executable, "-m", "meta_trainer.driver", "--run-id", run_id, "--attempt", str(attempt)]
    with (folder / f"driver-{attempt}.log").open("wb") as log:
        return subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True)


def wait_for_report(registry: Registry, run_id: str, driver: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and driver.poll() is None:
        if any(trial.reports for trial in Ledger.load(registry, run_id).trials):
            return
        time.sleep(0.2)
    pytest.fail(f"no report came; the driver's status is {driver.poll()}")
