"""Small meta-training jobs to measure with: the basic MLP 784-20-10 on random images, RS and CC as
in training."""

from __future__ import annotations

from typing import Any

import torch

from meta_trainer.datasets import Dataset
from meta_trainer.specs import MetaTrainingSpec

_TINY: dict[str, Any] = {
    "rule": {"n_candidates": 3},
    "task": {"hidden": [3], "batch_size": 8, "activations": ["sigmoid"]},
    "unroll": {"horizon": 6, "period": 2},
}


def spec(*, tiny: bool, **given: Any) -> MetaTrainingSpec:
    """The default job with one activation and the smallest validation; `tiny`: of small sizes."""
    base = _TINY if tiny else {"task": {"activations": ["sigmoid"]}}
    return MetaTrainingSpec.model_validate(
        {**base, "validation": {"n_learners": 1}, "n_episodes": 1, **given}
    )


def images() -> Dataset:
    """2,000 random images of MNIST's shape, under the name that the spec asks for."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (2000, 1, 28, 28), generator=generator, dtype=torch.uint8)
    return Dataset("mnist5k", "train", pixels, torch.randint(10, (2000,), generator=generator), 10)
