"""The named starting points of specs, each with what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import BaseModel

from meta_trainer.specs.distributions import DISTRIBUTIONS, TaskDistribution
from meta_trainer.specs.meta_training import MetaTrainingSpec
from meta_trainer.specs.presets import PRESETS
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_presets import STUDY_PRESETS

PresetKind = Literal["meta-training", "study", "tasks"]
DEFAULT_PRESET: Final = "default"
"""What a meta-training begins with that says nothing at all."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named starting point."""

    name: str
    kind: PresetKind
    """The kind of job that it begins, or `tasks`: the field of a meta-training."""
    purpose: str
    spec: BaseModel
    """Complete: every default written out."""

    @property
    def content(self) -> dict[str, Any]:
        """The complete spec as JSON."""
        return self.spec.model_dump(mode="json")


_PURPOSES: Final[Mapping[str, Mapping[str, str]]] = {
    "meta-training": {
        "custom": "Nothing but the defaults of every field: for a spec that says all that matters.",
        "quick": "To see that everything works: a HyperAdam on the paper's small MLP.",
        "default": "An optimizer to use: rule hyperadam-tensor on many kinds of tiny networks.",
        "mlps-784": "What made hyperadam-v0: MLPs on MNIST with four activations.",
        "tensor": "Rule hyperadam-tensor on the paper's small MLP: to try the rule.",
        "paper": "The HyperAdam paper's own training, by its authors' code of 2019.",
        "rnnprop-paper": "RNNprop as the HyperAdam paper compares with it.",
        "dm-paper": "DMoptimizer as the HyperAdam paper compares with it.",
    },
    "study": {
        "ablation-j": "Figure 8c, small: how many Adams are mixed.",
        "ablation-state": "Figure 8a, small: the StateCell without its parts.",
        "ablation-tricks": "Figure 8b, small: without random scaling, without the convex function.",
        "ablation-j-full": "Figure 8c at full size: how many Adams are mixed.",
        "ablation-state-full": "Figure 8a at full size: the StateCell without its parts.",
        "ablation-tricks-full": "Figure 8b at full size: without either trick, without both.",
        "rates": "Where to begin with tasks of one's own: meta-rate, scaling and period, small.",
        "rates-full": "Where to begin with tasks of one's own: meta-rate, scaling and period.",
    },
    "tasks": {
        "paper": "The paper's single task: an MLP of 20 hidden units on MNIST.",
        "mlps": "MLPs of many depths, widths and activations.",
        "tiny": "MLPs and networks of today with 60 to 10,000 coordinates.",
        "mixed": "MLPs, convolutional networks and LSTMs of the paper's kinds.",
    },
}


@cache
def list_presets() -> tuple[Preset, ...]:
    """All of them, by kind, in the order of the tables that define them."""
    return tuple(_make_presets())


def _make_presets() -> Iterator[Preset]:
    tables: list[tuple[PresetKind, Mapping[str, Any], type[BaseModel]]] = [
        ("meta-training", PRESETS, MetaTrainingSpec),
        ("study", STUDY_PRESETS, StudySpec),
        ("tasks", DISTRIBUTIONS, TaskDistribution),
    ]
    for kind, table, model in tables:
        for name in table:
            spec = model.model_validate({"preset": name})
            yield Preset(name=name, kind=kind, purpose=_PURPOSES[kind][name], spec=spec)
