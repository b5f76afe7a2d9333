"""Baselines: the optimizers of `torch.optim`, run on many learners side by side, each learner at
its own rate.

Every learner's flat vector is one parameter of one `torch.optim.Optimizer`, so a learner moves
exactly as if it were trained alone; learners of one rate share a parameter group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

from meta_trainer.learners import Shapes
from meta_trainer.specs.baselines import Baseline


class HandDesignedState(NamedTuple):
    """The optimizer holds the moments and changes them in place: a state is used up by one step."""

    parameters: Tensor
    """Shape (L, p); the optimizer's parameters are its rows."""
    rows: list[torch.nn.Parameter]
    optimizer: Optimizer
    """One group for each rate, in the order in which rates first occur."""
    n_steps: int
    """How many lie behind it."""
    shares: Tensor | None
    """Of the rate, what each coordinate has; shape (p,); None: all of it."""


class HandDesigned:
    """A baseline as the `InnerOptimizer` of L learners at L rates."""

    def __init__(
        self, baseline: Baseline, rates: Sequence[float], n_steps: int | None = None
    ) -> None:
        """
        Args:
            rates: one for each learner.
            n_steps: how long the run will be; only a baseline whose rate depends on it must know.
        """
        if baseline.knows_length and n_steps is None:
            raise ValueError("a baseline with a course or a rest must know how long its run is")
        self._baseline = baseline
        self._n_steps = n_steps
        self._rates = tuple(rates)
        self._distinct_rates = tuple(dict.fromkeys(self._rates))
        """One for each parameter group."""
        schedule = baseline.schedule.over(n_steps or 0)
        self._schedules = [replace(schedule, lr=rate) for rate in self._distinct_rates]

    def init(self, w: Tensor, shapes: Shapes | None = None) -> HandDesignedState:
        if len(w) != len(self._rates):
            raise ValueError(f"got {len(w)} learners and {len(self._rates)} rates")
        parameters = w.clone()
        rows = [torch.nn.Parameter(row) for row in parameters]
        groups = [
            {"params": self._rows_at(rate, rows), "lr": rate} for rate in self._distinct_rates
        ]
        optimizer = self._baseline.optimizer(groups, foreach=False, **self._baseline.arguments)  # type: ignore[call-arg]
        shares = self._baseline.schedule.shares(shapes, w)
        return HandDesignedState(parameters, rows, optimizer, 0, shares)

    def step(
        self, w: Tensor, gradient: Tensor, state: HandDesignedState
    ) -> tuple[Tensor, HandDesignedState]:
        decayed = self._decay(w, state.n_steps)
        state.parameters.copy_(decayed)
        for row, row_gradient in zip(state.rows, gradient, strict=True):
            row.grad = row_gradient
        for group, schedule in zip(state.optimizer.param_groups, self._schedules, strict=True):
            group["lr"] = schedule.at(state.n_steps) * self._follow_course(state.n_steps)
        state.optimizer.step()

        if state.shares is None:
            moved = state.parameters.clone()
        else:
            moved = decayed.lerp(state.parameters, state.shares)
        return moved, state._replace(n_steps=state.n_steps + 1)

    def final_weights(self, w: Tensor, state: HandDesignedState) -> Tensor:  # noqa: ARG002
        return w

    def _follow_course(self, step: int) -> float:
        """What is left of the rate at a step."""
        course = self._baseline.course
        if course is None or self._n_steps is None:
            return 1.0
        return course.at(step, self._n_steps)

    def _decay(self, w: Tensor, step: int) -> Tensor:
        """(1 − α_t λ) w, of all coordinates alike, as Θ's rate has it."""
        if not self._baseline.schedule.weight_decay:
            return w
        pairs = zip(self._distinct_rates, self._schedules, strict=True)
        retentions = {rate: schedule.retention(step) for rate, schedule in pairs}
        of_learners = [retentions[rate] for rate in self._rates]
        return w * torch.tensor(of_learners, dtype=w.dtype)[:, None]

    def _rows_at(self, rate: float, rows: list[torch.nn.Parameter]) -> list[torch.nn.Parameter]:
        """The learners that move at this rate."""
        return [row for row, row_rate in zip(rows, self._rates, strict=True) if row_rate == rate]
