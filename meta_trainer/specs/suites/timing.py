"""`timing`: Section 5.5, the time of one update of a 9-hidden-layer MLP once its gradient is
there."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.plain_tasks import MLPTaskSpec
from meta_trainer.specs.suites.base import Size, Suite

TIMING: Final = Suite(
    name="timing",
    title="Time of an update",
    learners={"mlp-9": MLPTaskSpec(hidden=(20,) * 9)},
    size=Size(n_tuning_starts=1, baselines=("adam", "sgd", "momentum")),
    measure="seconds per update",
    paper_source="Section 5.5, on the authors' machine",
    paper={"mlp-9": {"DMoptimizer": 0.0023, "HyperAdam": 0.0033, "RNNprop": 0.0039}},
)
