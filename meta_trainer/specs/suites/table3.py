"""`table3`: CNN-1 and CNN-2 after 10,000 steps, measured on the test split."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.plain_tasks import CNNTaskSpec
from meta_trainer.specs.suites.base import OnTest, Size, Suite, quick_size

TABLE3: Final = Suite(
    name="table3",
    title="CNNs on images that they were not trained on",
    learners={
        "cnn-1": CNNTaskSpec(architecture="cnn-1"),
        "cnn-2": CNNTaskSpec(architecture="cnn-2"),
    },
    size=Size(dataset="mnist", horizon=10_000, n_starts=4),
    quick=quick_size(dataset="mnist"),
    with_test=True,
    paper_source="Table 3: MNIST, 10,000 steps",
    paper_test={
        "cnn-1": {"Adam": OnTest(0.10, 0.9850, 0.9959), "HyperAdam": OnTest(0.05, 0.9848, 0.9963)},
        "cnn-2": {"Adam": OnTest(0.09, 0.9898, 0.9980), "HyperAdam": OnTest(0.07, 0.9902, 0.9978)},
    },
)
