"""An update that fails leaves what makes it fail again; machines that fail are not the job's
fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hyperadam import Theta

from meta_trainer.driver import attempt as driver_attempt
from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import Handle, InProcessRunner, WorkLost
from meta_trainer.runs.failures import FAILED_THETA
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.checkpoints import BEST_CHECKPOINT, Checkpoint
from meta_trainer.training.units import make_rule, run_period
from registry import ArtifactNotFound, Registry, connect
from tests.meta_trainer.conftest import TINY
from tests.meta_trainer.driver.jobs import open_job, read_done, read_events

SETTINGS = DriverSettings(tracking_uri="memory://", runner="in-process")


class Failing(InProcessRunner):
    """Raises in the second chunk of the fourth period (update 3, the second of episode 1)."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        if function is run_period and arguments[3:5] == (1, 1) and arguments[5] is not None:
            raise self._error
        return super().call(function, *arguments, n_returns=n_returns)


def attempt(
    registry: Registry, number: int, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> str:
    """One attempt of the tiny job, which fails so."""
    run_id = open_job(registry)
    with monkeypatch.context() as patch:
        patch.setattr(
            driver_attempt, "make_runner", lambda _: Failing(error) if error else InProcessRunner()
        )
        assert run_attempt(registry, run_id, number, SETTINGS) is (error is None)
    return run_id


def test_failed_update_leaves_theta_checkpoint_and_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = connect("memory://")
    registry = connect("memory://")
    attempt(undisturbed, 1, monkeypatch, None)
    run_id = attempt(registry, 1, monkeypatch, IndexError("index 7 is out of range"))
    error = read_done(registry, run_id, 1)["error"]
    where = {"update": 3, "episode": 1, "period": 1, "seed": 7}
    del error["traceback"]
    assert error == {"type": "IndexError", "message": "index 7 is out of range", **where}

    rule = make_rule(MetaTrainingSpec.model_validate(TINY).rule)
    checkpoint = Checkpoint.from_bytes(
        registry.get_artifact(run_id, "checkpoints/00000003.safetensors"), rule
    )
    assert [state.step for state in checkpoint.states] == [
        3,
        3,
    ]  # of both chunks before the period that failed
    theta = Theta.from_bytes(registry.get_artifact(run_id, FAILED_THETA))
    assert theta.vector.equal(checkpoint.meta_optimizer["theta"])
    assert theta.provenance["failed"] == where

    attempt(registry, 2, monkeypatch, IndexError("index 7 is out of range"))
    assert read_done(registry, run_id, 2)["error"]["update"] == 3
    attempt(registry, 3, monkeypatch, None)
    assert registry.weights("hyperadam", 1) != b""
    vectors = [
        Theta.from_bytes(one.weights("hyperadam", 1)).vector for one in (registry, undisturbed)
    ]
    assert vectors[0].equal(vectors[1])


def test_lost_work_leaves_no_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = connect("memory://")
    run_id = attempt(registry, 1, monkeypatch, WorkLost("the node is gone"))
    with pytest.raises(ArtifactNotFound):
        read_done(registry, run_id, 1)


def test_best_checkpoint_is_used_where_all_newest_are_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = connect("memory://")
    run_id = attempt(registry, 1, monkeypatch, IndexError("x"))
    newest = [info.path for info in registry.list_artifacts(run_id, "checkpoints")]
    for path in newest:
        registry.put_artifact(run_id, path, b"damaged")
    best = Checkpoint.from_bytes(
        registry.get_artifact(run_id, BEST_CHECKPOINT),
        make_rule(MetaTrainingSpec.model_validate(TINY).rule),
    )
    attempt(registry, 2, monkeypatch, None)
    events = read_events(registry, run_id)
    assert [event["data"]["resumed_from"] for event in events if event["type"] == "started"] == [
        None,
        best.update,
    ]
    assert sum(event["type"] == "checkpoint.damaged" for event in events) == len(newest)
