"""`longer`: 2,000 and 10,000 steps, where an optimizer was meta-trained on 100."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.plain_tasks import CNNTaskSpec, LSTMTaskSpec, MLPTaskSpec
from meta_trainer.specs.suites.base import Size, Suite, quick_size

LONGER: Final = Suite(
    name="longer",
    title="Longer horizons: a fifth, and the whole, of 10,000 steps",
    learners={
        "mlp-9": MLPTaskSpec(hidden=(20,) * 9),
        "lstm-2": LSTMTaskSpec(n_layers=2),
        "cnn-2": CNNTaskSpec(architecture="cnn-2"),
    },
    parts=(0.2, 1.0),
    also_on={"cnn-2": ("cifar10",)},
    size=Size(dataset="mnist", horizon=10_000, n_starts=4),
    quick=quick_size(horizon=10),
)
