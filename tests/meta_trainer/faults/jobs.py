"""The job that faults happen to, and how it is compared with an undisturbed one."""

from __future__ import annotations

import hashlib

from torch import Tensor

from meta_trainer.datasets import load
from meta_trainer.runners import Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Trained
from tests.meta_trainer.conftest import MemoryRecorder

SPEC = MetaTrainingSpec.model_validate(
    {
        "init": "paper",
        "rule": {"n_candidates": 5},
        "task": {"hidden": [20], "batch_size": 32, "activations": ["sigmoid", "relu"]},
        "unroll": {"horizon": 36, "period": 12},
        "meta_optimizer": {"rate": 0.05, "warmup_updates": 2},
        "validation": {"every_episodes": 1, "n_learners": 1},
        "n_learners": 6,
        "chunk_size": 1,
        "n_episodes": 2,
        "checkpoint_every_updates": 2,
        "seed": 11,
    }
)
"""Six chunks of a learner each, two episodes of three periods; states of megabytes, which live in
the object store."""


def train(
    runner: Runner,
    recorder: MemoryRecorder,
    *,
    resume: bytes | None = None,
    stop_at: int = 0,
    kernel: str | None = None,
) -> Trained:
    training = MetaTraining(SPEC, load("mnist5k"), runner, recorder, kernel=kernel)
    if resume is not None:
        training.restore(resume)
    return training.run(lambda: training.update == stop_at)


def digest(trained: Trained) -> str:
    def of(theta: Tensor) -> bytes:
        return theta.numpy().tobytes()

    return hashlib.sha256(of(trained.final_theta) + of(trained.theta)).hexdigest()
