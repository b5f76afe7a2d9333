"""`cnn-100`: the first 100 steps of CNN-1 and CNN-2: plain, with batch norm, with dropout; on MNIST
and CIFAR-10."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.plain_tasks import CNNTaskSpec
from meta_trainer.specs.suites.base import Size, Suite, SuiteLearner, quick_size

_LEARNERS: Final[dict[str, SuiteLearner]] = {
    "cnn-1": CNNTaskSpec(architecture="cnn-1"),
    "cnn-1-batch-norm": CNNTaskSpec(architecture="cnn-1", batch_norm=True),
    "cnn-1-dropout": CNNTaskSpec(architecture="cnn-1", dropout=True),
    "cnn-2": CNNTaskSpec(architecture="cnn-2"),
    "cnn-2-batch-norm": CNNTaskSpec(architecture="cnn-2", batch_norm=True),
    "cnn-2-dropout": CNNTaskSpec(architecture="cnn-2", dropout=True),
}

CNN_100: Final = Suite(
    name="cnn-100",
    title="CNNs with batch norm and dropout",
    learners=_LEARNERS,
    also_on=dict.fromkeys(_LEARNERS, ("cifar10",)),
    size=Size(dataset="mnist"),
    quick=quick_size(horizon=2),
)
