"""`unseen`: networks that no Θ here was trained or tuned on, and that no job can be."""

from __future__ import annotations

from typing import Final, get_args

from meta_trainer.specs.suites.base import Size, Suite, SuiteLearner, quick_size
from meta_trainer.specs.unseen_tasks import ImageNetwork, ImageNetworkTaskSpec, LanguageTaskSpec

_ON_IMAGES: Final[dict[str, SuiteLearner]] = {
    name: ImageNetworkTaskSpec(network=name) for name in get_args(ImageNetwork)
}

UNSEEN: Final = Suite(
    name="unseen",
    title="Networks that no Θ here was trained or tuned on",
    learners={**_ON_IMAGES, "language-model": LanguageTaskSpec()},
    parts=(0.2, 1.0),
    also_on=dict.fromkeys(("residual", "vision-transformer"), ("cifar10",)),
    size=Size(dataset="fashion_mnist", horizon=500, n_starts=8),
    quick=quick_size(),
)
