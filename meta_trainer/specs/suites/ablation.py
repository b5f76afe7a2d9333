"""`ablation-state`, `ablation-tricks`, `ablation-j`: Figure 8, versions of Θ trained with one thing
varied.

The learners are the figure's own: MLPs of 3 hidden layers for its parts a and b, of 4 for c.
"""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.plain_tasks import MLPTaskSpec
from meta_trainer.specs.suites.base import Suite

ABLATION_STATE: Final = Suite(
    name="ablation-state",
    title="Ablation: LSTM and preprocessing of the state",
    learners={"mlp-3": MLPTaskSpec(hidden=(20,) * 3)},
    varied="state",
)
ABLATION_TRICKS: Final = Suite(
    name="ablation-tricks",
    title="Ablation: the two training tricks",
    learners={"mlp-3": MLPTaskSpec(hidden=(20,) * 3)},
    varied="tricks",
)
ABLATION_J: Final = Suite(
    name="ablation-j",
    title="Ablation: the number of candidates",
    learners={"mlp-4": MLPTaskSpec(hidden=(20,) * 4)},
    varied="candidates",
)
