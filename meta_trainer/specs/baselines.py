"""The baselines of an evaluation by name, one line each: data, which `meta_trainer.evaluation`
runs.

A scheduled baseline has no schedule of its own: it takes the schedule and the shares of the Θ that
it stands beside, and where the name of the optimizer promises a decay, that of Θ. Others are run at
their packages' defaults, and nothing of them is tuned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Any, Final, Literal

import torch
from hyperadam.rates import KNOBS, Rate
from pydantic import AfterValidator, Field
from torch.optim import Optimizer

from meta_trainer.specs.plain_words import describe_choice

GridRange = tuple[int, int]
"""First and last exponent k of a grid of rates 2^(k/2), both included: neighbours differ by √2."""

_CONSTANT: Final = Rate(lr=1.0)
_SCHEDULE: Final = frozenset({"schedule", "share"})
_SCHEDULE_AND_DECAY: Final = _SCHEDULE | {"decay"}


UntunedName = Literal["AdamW", "Prodigy", "AdamWScheduleFree", "Muon"]
"""The class of an optimizer that is run at its defaults."""


@dataclass(frozen=True)
class WarmupCosine:
    """A rate that knows how long a run of T steps is: it rises linearly over the first W of them,
    and falls to 0 as half a cosine.

        α_t = α (t + 1) / W                                  t < W = warmup · T, at least 1
        α_t = α ½ (1 + cos(π (t − W) / (T − W)))             t ≥ W
    """

    warmup: float = 0.05
    """W / T."""

    def at(self, step: int, n_steps: int) -> float:
        """α_t / α of step t = 0, 1, … in a run of T = n_steps."""
        n_warmup = max(1, round(self.warmup * n_steps))
        if step < n_warmup:
            return (step + 1) / n_warmup
        progress = (step - n_warmup) / (n_steps - n_warmup)
        return (1 + math.cos(math.pi * progress)) / 2


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
    course: WarmupCosine | None = None
    """What its rate is, moreover, over a run whose length it is told; None: it knows no length."""
    stride: int = 1
    """Places between neighbours of the grid where tuning ends; 3 is a factor of 2.8."""

    @property
    def knows_length(self) -> bool:
        """Whether its rate depends on how long the run is."""
        return self.course is not None or self.schedule.knows_length

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
        added: dict[str, Any] = {}
        if self.course is not None:
            added["course"] = asdict(self.course)
        if self.stride != 1:
            added["stride"] = self.stride
        return {
            "optimizer": self.optimizer.__name__,
            "arguments": dict(self.arguments),
            "grid": list(self.grid),
            **{name: value for name, value in knobs.items() if value},
            **added,
        }


@dataclass(frozen=True)
class UntunedBaseline:
    """An optimizer as it comes: each learner has one of its own, with everything at its default."""

    optimizer: UntunedName
    package: str
    """The distribution that has it; `hyperadam-server[field]` brings those that are not torch."""
    rate: float
    """Its default rate."""

    def content(self) -> dict[str, Any]:
        """What decides its numbers beside the package's version, as JSON."""
        return {"optimizer": self.optimizer, "package": self.package, "tensors": True}


AnyBaseline = Baseline | UntunedBaseline

_ADAM_GRID: Final[GridRange] = (-14, -6)  # 0.0078 … 0.125
_EPS_8: Final = {"eps": 1e-8}
_EPS_12: Final = {"eps": 1e-12}

BASELINES: Final[dict[str, AnyBaseline]] = {
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
    "adamw-warmup-cosine": Baseline(torch.optim.AdamW, (-16, -10), course=WarmupCosine(), stride=3),
    "adamw-untuned": UntunedBaseline("AdamW", "torch", 1e-3),
    "prodigy": UntunedBaseline("Prodigy", "prodigyopt", 1.0),
    "schedule-free": UntunedBaseline("AdamWScheduleFree", "schedulefree", 2.5e-3),
    "muon": UntunedBaseline("Muon", "torch", 1e-3),
}
"""By the names that specs and reports call them."""


def _check_baseline(value: str) -> str:
    if value not in BASELINES:
        raise ValueError(describe_choice("baselines", value, BASELINES))
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

FIELD_BASELINES: Final[tuple[BaselineName, ...]] = (
    "adam",
    "adamw-warmup-cosine",
    "adamw-untuned",
    "prodigy",
    "schedule-free",
    "muon",
)
"""What the suite `field` has: what people tune, then what they take who do not want to."""
