"""The baselines of an evaluation by name, one line each: data, which `meta_trainer.evaluation`
runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import torch
from hyperadam.rates import KNOBS, Rate
from pydantic import AfterValidator, Field
from torch.optim import Optimizer

GridRange = tuple[int, int]
"""First and last exponent k of a grid of rates 2^(k/2), both included: neighbours differ by √2."""


_CONSTANT: Final = Rate(lr=1.0)
_OF_DEFAULT: Final = Rate(
    lr=1.0, warmup_steps=20, decay_after=50, base_fan_in=392, least_fan_in=3, base_places=2
)
"""The schedule that the default Θ, `hyperadam-v1`, carries, without its weight decay."""


@dataclass(frozen=True)
class Baseline:
    """An optimizer of `torch.optim` with everything fixed but its rate α."""

    optimizer: type[Optimizer]
    grid: GridRange
    """Where tuning begins; it goes further when the best rate lies on the edge."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    schedule: Rate = _CONSTANT
    """What its rate is at each step, in units of α."""

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

BASELINES: Final[dict[str, Baseline]] = {
    "adam": Baseline(torch.optim.Adam, _ADAM_GRID, {"eps": 1e-8}),
    "adam-1e-12": Baseline(torch.optim.Adam, _ADAM_GRID, {"eps": 1e-12}),
    "adam-warmup": Baseline(
        torch.optim.Adam, _ADAM_GRID, {"eps": 1e-8}, schedule=Rate(lr=1.0, warmup_steps=10)
    ),
    "adam-scheduled": Baseline(torch.optim.Adam, _ADAM_GRID, {"eps": 1e-8}, schedule=_OF_DEFAULT),
    "sgd": Baseline(torch.optim.SGD, (-3, 5)),
    "momentum": Baseline(torch.optim.SGD, (-8, 0), {"momentum": 0.9}),
    "rmsprop": Baseline(torch.optim.RMSprop, (-19, -11)),
    "adagrad": Baseline(torch.optim.Adagrad, (-10, -2)),
    "adadelta": Baseline(torch.optim.Adadelta, (0, 8)),
    "adamw": Baseline(torch.optim.AdamW, _ADAM_GRID),
    "nadam": Baseline(torch.optim.NAdam, _ADAM_GRID),
}
"""By the names that specs and reports call them."""


def _check_baseline(value: str) -> str:
    if value not in BASELINES:
        raise ValueError(f"baselines must be of {', '.join(BASELINES)}, got {value!r}")
    return value


BaselineName = Annotated[
    str, AfterValidator(_check_baseline), Field(json_schema_extra={"enum": list(BASELINES)})
]
