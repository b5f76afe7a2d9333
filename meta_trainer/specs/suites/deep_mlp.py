"""`deep-mlp`: sigmoid MLPs of 1 to 10 hidden layers, far deeper than any seen in meta-training."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.plain_tasks import MLPTaskSpec
from meta_trainer.specs.suites.base import Axis, Suite

_DEPTHS: Final = range(1, 11)

DEEP_MLP: Final = Suite(
    name="deep-mlp",
    title="MLPs of 1 to 10 hidden layers",
    learners={f"mlp-{depth}": MLPTaskSpec(hidden=(20,) * depth) for depth in _DEPTHS},
    axis=Axis("hidden layers", {f"mlp-{depth}": depth for depth in _DEPTHS}),
)
