"""Small meta-training jobs to measure with.

They train the basic MLP 784-20-10 on random images, with RS and CC as in training.
"""

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
_FULL: dict[str, Any] = {"task": {"activations": ["sigmoid"]}}


def make_spec(*, tiny: bool, **fields: Any) -> MetaTrainingSpec:
    """The default job with one activation and the smallest validation; `tiny`: of small sizes."""
    document = {
        **(_TINY if tiny else _FULL),
        "validation": {"n_learners": 1},
        "n_episodes": 1,
        **fields,
    }
    return MetaTrainingSpec.model_validate(document)


def draw_images(n: int = 2000) -> Dataset:
    """Random images of MNIST's shape, under the name that the spec asks for."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (n, 1, 28, 28), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (n,), generator=generator)
    return Dataset("mnist5k", "train", pixels, labels, 10)
