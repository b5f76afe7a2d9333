"""The driver: what an attempt leaves in its run, when it ends well, fails, is stopped, or is
killed."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hyperadam.theta import Theta

from meta_trainer.driver import attempt as driver_attempt
from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import InProcessRunner, NoRoom
from meta_trainer.runs.run_recorder import RunRecorder
from meta_trainer.training import kernel
from registry import ArtifactNotFound, Registry, connect
from tests.endings import ENVIRONMENT, end_all
from tests.meta_trainer.conftest import TINY
from tests.meta_trainer.driver.jobs import open_job, read_done, read_events
from tests.registry.stores import place_store
from tests.registry.thetas import make_theta

SETTINGS = DriverSettings(tracking_uri="memory://", runner="in-process")


def test_a_training_leaves_everything_in_its_run() -> None:
    registry = connect("memory://")
    run_id = open_job(registry)
    assert run_attempt(registry, run_id, 1, SETTINGS)
    record = read_done(registry, run_id)
    version = registry.version("hyperadam", "latest")
    assert record["outcome"] == "succeeded"
    assert record["version"] == {"optimizer": "hyperadam", "number": 1, "sha256": version.sha256}
    assert version.run_id == run_id
    theta = Theta.from_bytes(registry.weights("hyperadam", 1))
    assert theta.lr == 0.005
    lineage = theta.provenance
    assert lineage["job"] == "job_1"
    assert lineage["spec"]["seed"] == 7
    assert len(lineage["datasets"]["mnist5k"]) == 64
    assert set(lineage["code"]) == {"version", "sources_sha256", "torch", "python"}
    result = json.loads(registry.get_artifact(run_id, "result/result.json"))
    assert result["best_validation_loss"] == lineage["metrics"]["validation_loss"]
    assert result["sha256"] == version.sha256
    initial = Theta.from_bytes(registry.get_artifact(run_id, "result/initial.safetensors"))
    assert initial.provenance["made_by"] == "init paper"
    assert [p.step for p in registry.metrics(run_id, "meta_loss")] == [1, 2, 3, 4, 5, 6]
    kinds = [event["type"] for event in read_events(registry, run_id)]
    assert kinds[0] == "started"
    assert kinds[-2:] == ["version", "finished"]


@pytest.mark.parametrize(("is_stopped", "outcome"), [(False, "waiting"), (True, "stopped")])
def test_an_attempt_without_room_ends_and_says_why(is_stopped: bool, outcome: str) -> None:
    class Full(InProcessRunner):
        def await_room(self, should_stop: Callable[[], bool]) -> None:
            if is_stopped:
                os.kill(os.getpid(), signal.SIGTERM)
            assert should_stop() is is_stopped
            raise NoRoom("a worker needs 1 CPUs; of the cluster's 2 CPUs 0 are free")

    registry = connect("memory://")
    run_id = open_job(registry)
    assert run_attempt(registry, run_id, 1, SETTINGS, Full())
    record = read_done(registry, run_id)
    assert record["outcome"] == outcome
    assert ("of the cluster's 2 CPUs" in record.get("reason", "")) is not is_stopped


def test_what_a_checkpoint_is_beyond_has_been_told_when_it_is_there() -> None:
    """An attempt that ends with no last word right after a checkpoint: the next one tells only of
    what follows."""
    registry = connect("memory://")
    run_id = open_job(registry)
    recorder = RunRecorder(registry, run_id, 1)
    recorder.metrics(1, {"meta_loss": 0.5})
    recorder.event("progress", {"update": 1})
    recorder.checkpoint(1, b"state")
    assert [(p.step, p.value) for p in registry.metrics(run_id, "meta_loss")] == [(1, 0.5)]
    assert [event["type"] for event in read_events(registry, run_id)] == ["progress"]


def test_a_repeated_attempt_makes_no_second_version() -> None:
    registry = connect("memory://")
    run_id = open_job(registry)
    assert run_attempt(registry, run_id, 1, SETTINGS)
    assert run_attempt(registry, run_id, 2, SETTINGS)
    assert len(registry.versions("hyperadam")) == 1
    assert read_done(registry, run_id, 2)["version"] == read_done(registry, run_id, 1)["version"]


@pytest.mark.slow
def test_an_evaluation_is_attached_to_its_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = connect("memory://")
    for seed in (1, 2):
        registry.create_version("hyper", make_theta(seed), key=f"k{seed}")
    spec = {"optimizers": ["hyper@1", "hyper@2"], "suite": "table1", "quick": True}
    run_id = open_job(registry, "evaluation", **spec)
    for attempt in (1, 2):
        assert run_attempt(registry, run_id, attempt, SETTINGS), read_done(
            registry, run_id, attempt
        )
    result = json.loads(registry.get_artifact(run_id, "result/result.json"))
    for number in (1, 2):
        (evaluation,) = registry.version("hyper", str(number)).evaluations
        assert evaluation.key == "job_1"
        settings = evaluation.summary["settings"]
        expected_settings = {"suite": "table1", "quick": True, "n_starts": 2, "seed": 1}
        assert {name: settings[name] for name in expected_settings} == expected_settings
        rows = {row["task"]: row for row in result["rows"] if row["optimizer"] == f"hyper@{number}"}
        assert evaluation.summary["tasks"].keys() == rows.keys()
        for task, row in rows.items():
            assert evaluation.summary["tasks"][task]["mean"] == row["mean"]
            assert (
                evaluation.summary["tasks"][task]["baseline"]["difference"]["mean"]
                == row["difference"]["mean"]
            )
    origin = json.loads(registry.get_artifact(run_id, "result/results.json"))["origin"]
    assert origin["command"] == "hyperadam evaluate hyper@1 hyper@2 --quick"
    digests = {f"hyper@{n}": registry.version("hyper", str(n)).sha256 for n in (1, 2)}
    assert origin["thetas"] == digests
    assert origin["code"]["sources_sha256"]
    assert origin["kernels"].keys() == {"hyper@1", "hyper@2", "baselines"}

    monkeypatch.setattr(kernel, "name_kernel", lambda _: "plain/other")
    assert run_attempt(registry, run_id, 3, SETTINGS)
    record = read_done(registry, run_id, attempt=3)
    assert record["outcome"] == "waiting"
    assert "the workers have plain/other" in record["reason"]


@pytest.mark.slow
def test_a_training_asks_its_promotion_rule() -> None:
    registry = connect("memory://")
    rule = {"alias": "champion", "if_better_on": "table1", "quick": True, "by_standard_errors": 0}
    run_id = open_job(registry, **{**TINY, "promote": rule})
    registry.create_version("hyperadam", make_theta(1), key="k")
    registry.set_alias("hyperadam", "champion", 1, actor="ann")
    assert run_attempt(registry, run_id, 1, SETTINGS), read_done(registry, run_id)
    events = read_events(registry, run_id)
    assert [event["type"] for event in events if event["type"] == "cell"] == []
    (promotion,) = [event["data"] for event in events if event["type"] == "promotion"]
    assert (promotion["candidate"], promotion["champion"]) == (2, 1)
    assert promotion["promoted"] is (promotion["log_ratio"] < 0)
    assert registry.version("hyperadam", "champion").number == (2 if promotion["promoted"] else 1)
    report = json.loads(registry.get_artifact(run_id, "result/promotion/result.json"))
    means = {(row["task"], row["optimizer"]): row["finals"] for row in report["rows"]}
    ratios = [
        math.log(means[task, "hyperadam@2"][s] / means[task, "hyperadam@1"][s])
        for task, _ in means
        for s in (0, 1)
    ]
    assert promotion["log_ratio"] == pytest.approx(sum(ratios) / len(ratios))
    assert [p.step for p in registry.metrics(run_id, "progress")] == [1, 2, 3, 4, 5, 6]
    assert json.loads(registry.get_artifact(run_id, "result/result.json"))["number"] == 2
    assert [len(v.evaluations) for v in registry.versions("hyperadam")] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "spec", "error", "message"),
    [
        (
            "meta-training",
            {"task": {"dataset": "mnist"}},
            "DatasetMissing",
            "python -m meta_trainer.datasets download",
        ),
        (
            "meta-training",
            {**TINY, "promote": {"if_better_on": "table3"}},
            "DatasetMissing",
            "python -m meta_trainer.datasets download",
        ),
        ("meta-training", {"n_episodes": -1}, "ValidationError", "n_episodes"),
        ("cooking", {"a": 1}, "ValueError", "kind must be one of"),
    ],
)
def test_a_failure_is_recorded_with_its_reason(
    kind: str, spec: dict[str, Any], error: str, message: str
) -> None:
    registry = connect("memory://")
    run_id = open_job(registry, kind, **spec)
    assert not run_attempt(registry, run_id, 1, SETTINGS)
    record = read_done(registry, run_id)
    assert record["outcome"] == "failed"
    assert record["error"]["type"] == error
    assert message in record["error"]["message"]
    assert "Traceback" in record["error"]["traceback"]
    assert read_events(registry, run_id)[-1]["type"] == "failed"
    with pytest.raises(Exception, match="hyperadam"):
        registry.versions("hyperadam")


def test_damaged_checkpoints_are_passed_over() -> None:
    registry = connect("memory://")
    run_id = open_job(registry)
    assert run_attempt(registry, run_id, 1, SETTINGS)
    sha256 = read_done(registry, run_id)["version"]["sha256"]
    newest = registry.list_artifacts(run_id, "checkpoints")[-1].path
    registry.put_artifact(run_id, newest, registry.get_artifact(run_id, newest)[:-1])
    assert run_attempt(registry, run_id, 2, SETTINGS)
    assert read_done(registry, run_id, 2)["version"]["sha256"] == sha256
    kinds = [event["type"] for event in read_events(registry, run_id)]
    assert "checkpoint.damaged" in kinds


class Signalling(InProcessRunner):
    """Takes SIGTERM for itself, as `ray.init` does; the signal comes with the first call."""

    def __init__(self) -> None:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Any, ...]:
        os.kill(os.getpid(), signal.SIGTERM)
        return super().call(function, *arguments, n_returns=n_returns)


def test_a_runner_that_takes_sigterm_for_itself_does_not_keep_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver_attempt, "make_runner", lambda _: Signalling())
    registry = connect("memory://")
    run_id = open_job(registry)
    before = signal.getsignal(signal.SIGTERM)
    assert run_attempt(registry, run_id, 1, SETTINGS)
    assert read_done(registry, run_id)["outcome"] == "stopped"
    assert registry.list_artifacts(run_id, "checkpoints") != []
    assert signal.getsignal(signal.SIGTERM) is before


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="HYPERADAM_TRACKING_URI is not set"):
        DriverSettings.from_environment({})
    with pytest.raises(ValueError, match="HYPERADAM_RUNNER must be ray or in-process"):
        DriverSettings.from_environment(
            {"HYPERADAM_TRACKING_URI": "x", "HYPERADAM_RUNNER": "spark"}
        )


class Process:
    """A driver as the service starts it."""

    def __init__(self, home: Path, registry: Registry, run_id: str, attempt: int) -> None:
        self.registry = registry
        self.run_id = run_id
        self.attempt = attempt
        environment = {
            **os.environ,
            **ENVIRONMENT,
            "HYPERADAM_TRACKING_URI": f"sqlite:///{home}/mlflow.db",
            "HYPERADAM_ARTIFACT_LOCATION": str(home / "artifacts"),
            "HYPERADAM_RUNNER": "in-process",
        }
        command = [
            sys.executable,
            "-m",
            "meta_trainer.driver",
            "--run-id",
            run_id,
            "--attempt",
            str(attempt),
        ]
        self.log = home / f"attempt-{attempt}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def n_checkpoints(self) -> int:
        return len(self.registry.list_artifacts(self.run_id, "checkpoints"))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_and_stopped_attempts_end_in_the_same_theta(tmp_path: Path) -> None:
    """Attempt 1 is killed with SIGKILL, 2 is stopped with SIGTERM, 3 ends: Θ is that of an
    undisturbed run."""
    spec = {**TINY, "n_episodes": 60, "checkpoint_every_updates": 7}
    undisturbed = connect("memory://")
    assert run_attempt(undisturbed, open_job(undisturbed, **spec), 1, SETTINGS)
    expected = Theta.from_bytes(undisturbed.weights("hyperadam", 1))

    path = place_store(tmp_path / "mlflow.db")
    registry = connect(f"sqlite:///{path}", str(tmp_path / "artifacts"))
    run_id = open_job(registry, **spec)
    first = Process(tmp_path, registry, run_id, 1)
    first.wait_for(lambda: first.n_checkpoints() > 0)
    first.process.kill()
    assert first.process.wait() == -signal.SIGKILL
    with pytest.raises(ArtifactNotFound):
        read_done(registry, run_id, 1)

    second = Process(tmp_path, registry, run_id, 2)
    second.wait_for(
        lambda: any(event["data"].get("resumed_from") for event in read_events(registry, run_id))
    )
    end_all({"driver": second.process}, {"driver": second.log})
    assert second.process.returncode == 0
    assert read_done(registry, run_id, 2)["outcome"] == "stopped"

    third = Process(tmp_path, registry, run_id, 3)
    try:
        assert third.process.wait(120) == 0
    finally:
        third.process.kill()
        third.process.wait()
    assert read_done(registry, run_id, 3)["outcome"] == "succeeded"
    theta = Theta.from_bytes(registry.weights("hyperadam", 1))
    assert theta.vector.equal(expected.vector)
    assert len(registry.versions("hyperadam")) == 1
