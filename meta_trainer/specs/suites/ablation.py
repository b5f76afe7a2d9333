"""`ablation-state`, `ablation-tricks`, `ablation-j`: Figure 8, versions of Θ trained with one thing
varied."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.suites.base import Size, Suite, Varied, quick_size
from meta_trainer.specs.suites.table1 import TABLE1


def _ablation(name: str, title: str, varied: Varied) -> Suite:
    return Suite(
        name=name,
        title=title,
        learners=TABLE1.learners,
        size=Size(baselines=("adam",)),
        quick=quick_size(),
        varied=varied,
    )


ABLATION_STATE: Final = _ablation(
    "ablation-state", "Ablation: LSTM and preprocessing of the state", "state"
)
ABLATION_TRICKS: Final = _ablation("ablation-tricks", "Ablation: the two training tricks", "tricks")
ABLATION_J: Final = _ablation("ablation-j", "Ablation: the number of candidates", "candidates")
