"""`table2`: LSTMs that predict the next value of a noisy sine."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.plain_tasks import LSTMTaskSpec
from meta_trainer.specs.suites.base import Suite

TABLE2: Final = Suite(
    name="table2",
    title="LSTM sequence prediction",
    learners={
        "baseline": LSTMTaskSpec(),
        "small-noise": LSTMTaskSpec(noise_std=0.01),
        "2-layer": LSTMTaskSpec(n_layers=2),
    },
    paper_source="Table 2: 100 steps, mean of 100 starts",
    paper={
        "baseline": {"Adam": 0.65, "DMoptimizer": 3.10, "RNNprop": 0.49, "HyperAdam": 0.42},
        "small-noise": {"Adam": 0.39, "DMoptimizer": 3.06, "RNNprop": 0.32, "HyperAdam": 0.19},
        "2-layer": {"Adam": 0.51, "DMoptimizer": 2.05, "RNNprop": 0.27, "HyperAdam": 0.26},
    },
)
