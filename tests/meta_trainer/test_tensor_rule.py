"""A Θ of kind `hyperadam-tensor` is trained, resumed and registered, and moves parameters as
rollouts do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import hyperadam
import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamTensorRule
from hyperadam.theta import Theta
from torch import Tensor

from meta_trainer.datasets import load
from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.loop import MetaTraining
from meta_trainer.unrolls.optimizers import Learned
from registry import connect
from tests.meta_trainer.conftest import MemoryRecorder

SETTINGS = DriverSettings(tracking_uri="memory://", runner="in-process")
SMALL: dict[str, Any] = {
    "preset": "tensor",
    "rule": {"n_candidates": 2, "n_hidden": 3},
    "task": {"hidden": [3], "batch_size": 8, "activations": ["tanh", "relu"]},
    "unroll": {"horizon": 5},
    "validation": {"every_episodes": 1, "n_learners": 1},
    "n_episodes": 2,
    "checkpoint_every_updates": 1,
}
SHAPES = [(5, 4), (5,), (2, 3, 2), (2, 2, 1, 1)]


def train(fields: dict[str, Any], recorder: MemoryRecorder, checkpoint: bytes | None = None) -> Any:
    spec = MetaTrainingSpec.model_validate(fields)
    training = MetaTraining(spec, load("mnist5k"), InProcessRunner(), recorder)
    if checkpoint is not None:
        training.restore(checkpoint)
    return training.run()


def test_the_preset_is_exact_over_whole_episodes() -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "tensor"})
    assert (spec.rule.kind, spec.init) == ("hyperadam-tensor", "ensemble")
    assert spec.unroll.rate == Rate(lr=1.0, warmup_steps=20, decay_after=50)
    assert spec.unroll.period is None
    assert spec.estimator.model_dump()["order"] == 2
    assert spec.meta_optimizer.clip_learners


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"unroll": {"horizon": 6, "period": 3}, "tricks": {"random_scaling": 1.0}},
        {
            "preset": "quick",
            "rule": {"kind": "hyperadam-tensor", "n_candidates": 2, "n_hidden": 3},
            "estimator": {"kind": "pes", "n_pairs": 1},
            "unroll": {"horizon": 6, "period": 3},
        },
    ],
    ids=["preset", "periods-with-tricks", "pes"],
)
def test_resumes_bit_for_bit_from_every_checkpoint(
    fields: dict[str, Any], recorder: MemoryRecorder
) -> None:
    whole = train(SMALL | fields, recorder)
    assert not torch.equal(whole.final_theta, whole.initial_theta)
    for checkpoint in list(recorder.checkpoints.values()):
        resumed = train(SMALL | fields, MemoryRecorder(), checkpoint)
        assert torch.equal(resumed.final_theta, whole.final_theta)
        assert torch.equal(resumed.theta, whole.theta)


def test_a_job_registers_a_theta_that_the_optimizer_runs() -> None:
    registry = connect("memory://")
    run_id = registry.open_run("job_tensor", name="job_tensor")
    job = {"job_id": "job_tensor", "kind": "meta-training", "name": None, "spec": SMALL}
    registry.put_artifact(run_id, "job.json", json.dumps(job).encode())
    assert run_attempt(registry, run_id, 1, SETTINGS)

    theta = Theta.from_bytes(registry.weights("hyperadam-tensor", 1))
    assert (theta.rule.kind, theta.lr) == ("hyperadam-tensor", 1.0)
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = hyperadam.HyperAdam([weight], theta)
    for _ in range(3):
        weight.grad = torch.tensor([[1.0, -1.0], [0.0, 2.0]])
        optimizer.step()
    assert weight.isfinite().all()
    assert weight[1, 0] == 1.0
    assert weight[0, 0] < 1.0


def make_theta() -> Theta:
    rule = HyperAdamTensorRule()
    generator = torch.Generator().manual_seed(0)
    vector = rule.pack(rule.init_theta(generator))
    vector = vector + 0.1 * torch.randn(len(vector), generator=generator)
    return Theta.from_vector(rule, vector, rate=Rate(lr=1.0, warmup_steps=3, decay_after=4))


def split_into_parameters(row: Tensor, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    lengths = [torch.Size(shape).numel() for shape in shapes]
    pairs = zip(row.split(lengths), shapes, strict=True)
    return [part.reshape(tuple(shape)).clone() for part, shape in pairs]


def test_the_optimizer_moves_parameters_as_a_rollout_moves_learners() -> None:
    theta = make_theta()
    generator = torch.Generator().manual_seed(1)
    w = torch.randn(2, 41, generator=generator)
    starts = [split_into_parameters(row, SHAPES) for row in w]
    models = [[torch.nn.Parameter(part) for part in parts] for parts in starts]
    optimizers = [hyperadam.HyperAdam(parameters, theta) for parameters in models]
    learned = Learned(theta.rule, theta.vector, theta.rate)
    state = learned.init(w, SHAPES)

    for _ in range(6):
        gradient = torch.randn(2, 41, generator=generator)
        w, state = learned.step(w, gradient, state)
        for parameters, optimizer, row in zip(models, optimizers, gradient, strict=True):
            for parameter, part in zip(parameters, split_into_parameters(row, SHAPES), strict=True):
                parameter.grad = part
            optimizer.step()

    moved = [torch.cat([p.detach().reshape(-1) for p in parameters]) for parameters in models]
    torch.testing.assert_close(torch.stack(moved), w, rtol=1e-6, atol=1e-7)
