"""`table1`: the basic MLP with other activations than it was meta-trained on."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.base import ACTIVATIONS
from meta_trainer.specs.plain_tasks import MLPTaskSpec
from meta_trainer.specs.suites.base import Suite

TABLE1: Final = Suite(
    name="table1",
    title="Basic MLP with different activation functions",
    learners={activation: MLPTaskSpec(activation=activation) for activation in ACTIVATIONS},
    paper_source="Table 1: MNIST, 100 steps, mean of 100 starts",
    paper={
        "sigmoid": {"Adam": 0.35, "DMoptimizer": 0.38, "RNNprop": 0.34, "HyperAdam": 0.33},
        "relu": {"Adam": 0.32, "DMoptimizer": 1.42, "RNNprop": 0.31, "HyperAdam": 0.29},
        "elu": {"Adam": 0.31, "DMoptimizer": 2.02, "RNNprop": 0.31, "HyperAdam": 0.28},
        "tanh": {"Adam": 0.34, "DMoptimizer": 0.83, "RNNprop": 0.33, "HyperAdam": 0.36},
    },
)
