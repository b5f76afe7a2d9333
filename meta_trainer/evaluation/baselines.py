"""Baselines: the optimizers of `torch.optim`, run on many learners side by side, each learner at its own rate.

Every learner's flat vector is one parameter of one `torch.optim.Optimizer`, so a learner moves exactly as if it were
trained alone; learners of one rate share a parameter group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

GridRange = tuple[int, int]
"""First and last exponent k of a grid of rates 2^(k/2), both included: neighbours differ by √2."""


@dataclass(frozen=True)
class Baseline:
    """An optimizer of `torch.optim` with everything fixed but its rate."""

    optimizer: type[Optimizer]
    grid: GridRange
    """Where tuning begins; it goes further when the best rate lies on the edge."""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """What decides its numbers, as JSON."""
        return {"optimizer": self.optimizer.__name__, "arguments": dict(self.arguments), "grid": list(self.grid)}


_ADAM_GRID: Final[GridRange] = (-14, -6)  # 0.0078 … 0.125

BASELINES: Final[dict[str, Baseline]] = {
    "adam": Baseline(torch.optim.Adam, _ADAM_GRID, {"eps": 1e-8}),
    "adam-1e-12": Baseline(torch.optim.Adam, _ADAM_GRID, {"eps": 1e-12}),
    "sgd": Baseline(torch.optim.SGD, (-3, 5)),
    "momentum": Baseline(torch.optim.SGD, (-8, 0), {"momentum": 0.9}),
    "rmsprop": Baseline(torch.optim.RMSprop, (-19, -11)),
    "adagrad": Baseline(torch.optim.Adagrad, (-10, -2)),
    "adadelta": Baseline(torch.optim.Adadelta, (0, 8)),
    "adamw": Baseline(torch.optim.AdamW, _ADAM_GRID),
    "nadam": Baseline(torch.optim.NAdam, _ADAM_GRID),
}
"""By the names of `meta_trainer.specs.BaselineName`."""


class HandDesignedState(NamedTuple):
    """The optimizer holds the moments and changes them in place: a state is used up by one step."""

    parameters: Tensor
    """Shape (L, p); the optimizer's parameters are its rows."""
    rows: list[torch.nn.Parameter]
    optimizer: Optimizer


class HandDesigned:
    """A baseline as the `InnerOptimizer` of L learners at L rates."""

    def __init__(self, baseline: Baseline, rates: Sequence[float]) -> None:
        self._baseline, self._rates = baseline, tuple(rates)

    def init(self, w: Tensor) -> HandDesignedState:
        if len(w) != len(self._rates):
            raise ValueError(f"got {len(w)} learners and {len(self._rates)} rates")
        parameters = w.clone()
        rows = [torch.nn.Parameter(row) for row in parameters]
        groups = [
            {"params": [row for row, own in zip(rows, self._rates, strict=True) if own == rate], "lr": rate}
            for rate in dict.fromkeys(self._rates)
        ]
        optimizer = self._baseline.optimizer(groups, foreach=False, **self._baseline.arguments)  # type: ignore[call-arg]
        return HandDesignedState(parameters, rows, optimizer)

    def step(self, w: Tensor, gradient: Tensor, state: HandDesignedState) -> tuple[Tensor, HandDesignedState]:
        state.parameters.copy_(w)
        for row, row_gradient in zip(state.rows, gradient, strict=True):
            row.grad = row_gradient
        state.optimizer.step()
        return state.parameters.clone(), state
