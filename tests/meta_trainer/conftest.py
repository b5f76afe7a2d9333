"""Small jobs for the tests of the meta-trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from meta_trainer.recorder import Recorder
from meta_trainer.specs import MetaTrainingSpec

torch.set_num_threads(1)  # as work units do; small tensors gain nothing from more


class MemoryRecorder(Recorder):
    """Keeps everything, in order."""

    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.checkpoints: dict[int, bytes] = {}
        self.artifacts: dict[str, bytes] = {}

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.points.append((step, dict(values)))

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        self.events.append((kind, dict(data)))

    def checkpoint(self, update: int, data: bytes) -> None:
        self.checkpoints[update] = data

    def artifact(self, path: str, data: bytes) -> None:
        self.artifacts[path] = data

    def series(self, name: str) -> dict[int, float]:
        return {step: values[name] for step, values in self.points if name in values}


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture
def tiny_spec() -> MetaTrainingSpec:
    """Two chunks of two small learners, 3 episodes of 2 periods of 3 steps: well under a second."""
    return MetaTrainingSpec.model_validate(TINY)


TINY: dict[str, Any] = {
    "init": "paper",
    "rule": {"n_candidates": 3},
    "task": {"hidden": [3], "batch_size": 8, "activations": ["sigmoid", "relu"]},
    "tricks": {"convex_dimension": 4},
    "unroll": {"horizon": 6, "period": 3},
    "meta_optimizer": {"rate": 0.05, "warmup_updates": 2},
    "validation": {"every_episodes": 1, "n_learners": 3},
    "n_learners": 4,
    "chunk_size": 2,
    "n_episodes": 3,
    "checkpoint_every_updates": 1,
    "seed": 7,
}
