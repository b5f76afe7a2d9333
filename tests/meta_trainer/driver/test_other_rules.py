"""RNNprop and DMoptimizer go the same way as HyperAdam: trained, resumed, registered, pulled, run
and evaluated."""

from __future__ import annotations

import json
from typing import Any

import hyperadam
import pytest
import torch
from hyperadam.optimizers import LearnedOptimizer
from hyperadam.theta import Theta

from meta_trainer.datasets import load
from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.loop import MetaTraining
from registry import Registry, connect
from tests.meta_trainer.conftest import TINY

pytestmark = pytest.mark.slow

SETTINGS = DriverSettings(tracking_uri="memory://", runner="in-process")
OPTIMIZERS: dict[str, type[LearnedOptimizer]] = {
    "rnnprop": hyperadam.RNNprop,
    "dm": hyperadam.DMOptimizer,
}
KINDS = pytest.mark.parametrize("kind", OPTIMIZERS)


def tiny(kind: str) -> dict[str, Any]:
    """Two chunks of two small learners, 2 episodes of 2 periods of 3 steps."""
    preset = {"preset": f"{kind}-paper", "n_learners": 4, "chunk_size": 2, "n_episodes": 2}
    same = {
        name: TINY[name]
        for name in ("validation", "meta_optimizer", "checkpoint_every_updates", "seed")
    }
    return (
        preset
        | same
        | {
            "rule": {"n_hidden": 3},
            "task": {**TINY["task"], "dataset": "mnist5k"},
            "unroll": TINY["unroll"],
        }
    )


def train(kind: str, recorder: Any, resume: bytes | None = None) -> Any:
    spec = MetaTrainingSpec.model_validate(tiny(kind))
    training = MetaTraining(spec, load("mnist5k"), InProcessRunner(), recorder)
    if resume is not None:
        training.restore(resume)
    return training.run()


@KINDS
def test_resumes_bit_for_bit_from_every_checkpoint(kind: str, recorder: Any) -> None:
    whole = train(kind, recorder)
    assert not torch.equal(whole.final_theta, whole.initial_theta)
    assert sorted(recorder.checkpoints) == [1, 2, 3, 4]
    for data in list(recorder.checkpoints.values()):
        resumed = train(kind, type(recorder)(), resume=data)
        assert torch.equal(resumed.final_theta, whole.final_theta)
        assert torch.equal(resumed.theta, whole.theta)


@KINDS
def test_learns(kind: str, recorder: Any) -> None:
    """From a start that hardly moves, eight updates teach it to walk downhill on softmax
    regression."""
    spec = MetaTrainingSpec.model_validate(
        {
            "rule": {"kind": kind, "n_hidden": 4},
            "task": {"hidden": [], "batch_size": 32},
            "tricks": {"random_scaling": 0.0, "convex_dimension": 0},
            "unroll": {"horizon": 10, "period": 5},
            "meta_optimizer": {"rate": 0.05, "warmup_updates": 0},
            "n_learners": 2,
            "n_episodes": 4,
            "validation": {"every_episodes": 4, "n_learners": 2},
        }
    )
    trained = MetaTraining(spec, load("mnist5k"), InProcessRunner(), recorder).run()
    assert trained.best_loss < 0.6 * trained.initial_loss


def carry_out(registry: Registry, job_id: str, kind: str, spec: dict[str, Any]) -> str:
    run_id = registry.open_run(job_id, name=job_id)
    job = {"job_id": job_id, "kind": kind, "name": None, "spec": spec}
    registry.put_artifact(run_id, "job.json", json.dumps(job).encode())
    assert run_attempt(registry, run_id, 1, SETTINGS)
    return run_id


def test_from_job_to_optimizer_to_report() -> None:
    registry = connect("memory://")
    for kind, optimizer_type in OPTIMIZERS.items():
        carry_out(registry, f"job_{kind}", "meta-training", tiny(kind))
        theta = Theta.from_bytes(registry.weights(kind, 1))
        assert (theta.rule.kind, theta.lr) == (kind, 1.0)
        assert (
            theta.provenance["spec"]["rule"]
            == {"kind": kind, "n_hidden": 3} | theta.provenance["spec"]["rule"]
        )
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = optimizer_type([weight], theta)
        for _ in range(3):
            weight.grad = torch.tensor([1.0, -1.0, 0.0])
            optimizer.step()
        assert weight.isfinite().all()
        assert not torch.equal(weight, torch.ones(3))
    spec = {
        "optimizers": ["rnnprop@1", "dm@latest"],
        "n_starts": 2,
        "n_tuning_starts": 1,
        "horizon": 2,
        "baselines": [],
    }
    run_id = carry_out(registry, "job_evaluation", "evaluation", spec)
    result = json.loads(registry.get_artifact(run_id, "result/result.json"))
    rows = json.dumps(result)
    assert "rnnprop@1" in rows
    assert "dm@latest" in rows
