"""The baselines of an evaluation by name, one line each: data, which `meta_trainer.evaluation`
runs.

A scheduled baseline has no schedule of its own: it takes the schedule and the shares of the Θ that
it stands beside, and where the name of the optimizer promises a decay, that of Θ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Final

import torch
from hyperadam.rates import KNOBS, Rate
from pydantic import AfterValidator, Field
from torch.optim import Optimizer

GridRange = tuple[int, int]
"""First and last exponent k of a grid of rates 2^(k/2), both included: neighbours differ by √2."""

_CONSTANT: Final = Rate(lr=1.0)
_SCHEDULE: Final = frozenset({"schedule", "share"})
_SCHEDULE_AND_DECAY: Final = _SCHEDULE | {"decay"}


@dataclass(frozen=True)
class Baseline:
    """An optimizer of `torch.optim` with everything fixed but its rate α."""

    optimizer: type[Optimizer]
    grid: GridRange
    """Where tuning begins; it goes further when the best rate lies on the edge."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    schedule: Rate = _CONSTANT
    """What its rate is at each step, in units of α; its decay is decoupled, as in AdamW."""
    takes: frozenset[str] = frozenset()
    """The parts of Θ's rate that it has as well (`hyperadam.rates`)."""

    def beside(self, rate: Rate) -> Baseline:
        """As it is run beside a Θ of this rate."""
        if not self.takes:
            return self
        taken = {
            knob.name: getattr(rate, knob.name)
            for knob in fields(Rate)
            if knob.metadata.get("part") in self.takes
        }
        return replace(self, schedule=replace(self.schedule, **taken), takes=frozenset())

    def content(self) -> dict[str, Any]:
        """What decides its numbers, as JSON."""
        knobs = {name: getattr(self.schedule, name) for name in KNOBS}
        return {
            "optimizer": self.optimizer.__name__,
            "arguments": dict(self.arguments),
            "grid": list(self.grid),
            **{name: value for name, value in knobs.items() if value},
        }


_ADAM_GRID: Final[GridRange] = (-14, -6)  # 0.0078 … 0.125
_EPS_8: Final = {"eps": 1e-8}
_EPS_12: Final = {"eps": 1e-12}

BASELINES: Final[dict[str, Baseline]] = {
    "adam": Baseline(torch.optim.Adam, _ADAM_GRID, _EPS_8),
    "adam-1e-12": Baseline(torch.optim.Adam, _ADAM_GRID, _EPS_12),
    "adam-warmup": Baseline(
        torch.optim.Adam, _ADAM_GRID, _EPS_8, schedule=Rate(lr=1.0, warmup_steps=10)
    ),
    "adam-scheduled": Baseline(torch.optim.Adam, _ADAM_GRID, _EPS_8, takes=_SCHEDULE),
    "adam-1e-12-scheduled": Baseline(torch.optim.Adam, _ADAM_GRID, _EPS_12, takes=_SCHEDULE),
    "sgd": Baseline(torch.optim.SGD, (-3, 5)),
    "momentum": Baseline(torch.optim.SGD, (-8, 0), {"momentum": 0.9}),
    "rmsprop": Baseline(torch.optim.RMSprop, (-19, -11)),
    "adagrad": Baseline(torch.optim.Adagrad, (-10, -2)),
    "adadelta": Baseline(torch.optim.Adadelta, (0, 8)),
    "adamw": Baseline(torch.optim.AdamW, _ADAM_GRID),
    # Adam with decoupled decay is AdamW; so that without a decay it is known as the same.
    "adamw-scheduled": Baseline(torch.optim.Adam, _ADAM_GRID, _EPS_8, takes=_SCHEDULE_AND_DECAY),
    "nadam": Baseline(torch.optim.NAdam, _ADAM_GRID),
    "nadam-scheduled": Baseline(torch.optim.NAdam, _ADAM_GRID, takes=_SCHEDULE_AND_DECAY),
}
"""By the names that specs and reports call them."""


def _check_baseline(value: str) -> str:
    if value not in BASELINES:
        raise ValueError(f"baselines must be of {', '.join(BASELINES)}, got {value!r}")
    return value


BaselineName = Annotated[
    str, AfterValidator(_check_baseline), Field(json_schema_extra={"enum": list(BASELINES)})
]

FULL_BASELINES: Final[tuple[BaselineName, ...]] = (
    "adam",
    "adam-1e-12",
    "adam-scheduled",
    "adam-1e-12-scheduled",
    "adamw",
    "adamw-scheduled",
    "nadam",
    "nadam-scheduled",
    "momentum",
)
"""What every suite of losses has at its full size, if the spec names none: docs/protocol.md."""
