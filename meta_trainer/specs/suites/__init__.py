"""The suites of an evaluation by name, one file and one line each: data, which
`meta_trainer.evaluation` runs."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.suites.ablation import ABLATION_J, ABLATION_STATE, ABLATION_TRICKS
from meta_trainer.specs.suites.all import ALL
from meta_trainer.specs.suites.base import Axis, OnTest, Size, Suite, SuiteLearner, Task, Varied
from meta_trainer.specs.suites.cnn_100 import CNN_100
from meta_trainer.specs.suites.deep_mlp import DEEP_MLP
from meta_trainer.specs.suites.field import FIELD
from meta_trainer.specs.suites.longer import LONGER
from meta_trainer.specs.suites.table1 import TABLE1
from meta_trainer.specs.suites.table2 import TABLE2
from meta_trainer.specs.suites.table3 import TABLE3
from meta_trainer.specs.suites.timing import TIMING
from meta_trainer.specs.suites.unseen import UNSEEN

SUITES: Final[dict[str, Suite]] = {
    "table1": TABLE1,
    "activations": TABLE1,  # its name in specs stored earlier
    "table2": TABLE2,
    "table3": TABLE3,
    "deep-mlp": DEEP_MLP,
    "cnn-100": CNN_100,
    "longer": LONGER,
    "unseen": UNSEEN,
    "field": FIELD,
    "timing": TIMING,
    "ablation-state": ABLATION_STATE,
    "ablation-tricks": ABLATION_TRICKS,
    "ablation-j": ABLATION_J,
    "all": ALL,
}

__all__ = ["ALL", "SUITES", "Axis", "OnTest", "Size", "Suite", "SuiteLearner", "Task", "Varied"]
