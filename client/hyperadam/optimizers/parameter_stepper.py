"""One step of a learned optimizer: gradients in, a rule run over them, weights moved.

The mathematics is the rule's own, run by the steppers and movers that meta-training validates with
(`hyperadam.kernels`). Here are parameters, gradients and state as the flat vectors that those take.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

import torch
from torch import Tensor

from hyperadam.kernels import Mover, Stepper, open_mover, open_stepper
from hyperadam.moves import move_parameters
from hyperadam.optimizers.checks import explain_not_finite, find_trainable
from hyperadam.optimizers.flat import FlatVector
from hyperadam.optimizers.flat_state import FlatState, State
from hyperadam.optimizers.groups import (
    GroupStep,
    compute_pace,
    decay_rows,
    find_moving,
    take_steps,
)
from hyperadam.optimizers.layouts import read_shapes
from hyperadam.optimizers.pieces import find_gradient, find_piece
from hyperadam.optimizers.schedule_watch import ScheduleWatch
from hyperadam.optimizers.spread import Others
from hyperadam.theta import Theta

Groups = Sequence[dict[str, Any]]
"""`param_groups` of an optimizer."""


class ParameterStepper:
    """Steps the parameters of an optimizer's groups; what it makes for some parameters it uses
    again as long as the same ones move."""

    def __init__(
        self,
        theta: Theta,
        state_dtype: torch.dtype | None,
        others: Others | None,
        *,
        normalize_gradients: bool,
    ) -> None:
        """
        Args:
            theta: what is run.
            state_dtype: what states are stored in; None: the dtype of computation.
            others: processes that have other parameters of the model, if any.
            normalize_gradients: the rule is told g / ‖g‖, whatever the scale of the loss.
        """
        self._theta: Final = theta
        self._state_dtype: Final = state_dtype
        self._others: Final = others
        self._normalizes: Final = normalize_gradients
        self._flat: Final = FlatState(theta.rule)
        self.watch: Final = ScheduleWatch(theta.rate.lr)
        self._vector: FlatVector | None = None
        self._shapes: list[tuple[int, ...]] = []
        self._stepper: Stepper | None = None
        self._mover: Mover | None = None

    @property
    def vector(self) -> FlatVector | None:
        """Of the parameters that moved last."""
        return self._vector

    @property
    def steps_alone(self) -> bool:
        """Whether a step in which nothing moves here is none at all."""
        return self._others is None

    def forget_state(self) -> None:
        """The state is another one: the next step reads it anew."""
        self._flat.forget()

    def is_prepared(self, moving: Sequence[Tensor], groups: Groups) -> bool:
        """Whether the last step moved these very parameters."""
        dtype = find_dtype(groups, moving)
        return self._vector is not None and self._vector.fits(moving, dtype)

    def prepare(self, moving: list[Tensor], groups: Groups) -> None:
        """Make what steps these parameters, before the first of several steps over them.

        Raises:
            ValueError: the parameters are on several devices.
        """
        vector = FlatVector(moving, find_dtype(groups, moving), self._others)
        theta = self._theta.vector.to(vector.like)
        rule = self._theta.rule
        if not vector.spread.is_trivial:
            rule = rule.with_sums(vector.spread)
        self._stepper = open_stepper(rule, theta)
        self._mover = open_mover(rule, theta)
        self._shapes = [
            shape
            for group, parameters in find_moving(groups)
            for shape in read_shapes(parameters, group)
        ]
        self._vector = vector

    def step(self, moving: list[Tensor], groups: Groups, state: State) -> None:
        """Move parameters once, and their state.

        Args:
            moving: all parameters of the groups that have gradients; those that were prepared.
            groups: of the optimizer; they count the step.
            state: of the optimizer.

        Raises:
            FloatingPointError: a gradient is not finite; nothing was changed.
            ValueError: what stands in `state` is not a state of the rule's.
        """
        vector = self._vector
        stepper = self._stepper
        assert vector is not None
        assert stepper is not None
        gradients = list(map(find_gradient, moving))
        pieces = list(map(find_piece, moving))
        mover = self._mover
        needs_vector = self._normalizes or _any_maximizes(groups)
        if mover is not None and (needs_vector or not mover.fits(pieces, gradients)):
            mover = None

        norm = self._measure_norm(vector, mover, gradients, groups)
        if not math.isfinite(norm):
            raise FloatingPointError(explain_not_finite(vector, groups))
        if not moving and not self._theta.rule.joins_parameters:
            self._take_steps(groups)
            return

        if self._normalizes and norm > 0:
            vector.buffer.div_(norm)
        dtype = self._state_dtype or vector.like.dtype
        flat = self._flat.over(vector, dtype, state, self._shapes)
        if mover is not None:
            steps = self._take_steps(groups)
            decay_rows(steps)
            mover.move(pieces, gradients, flat, compute_pace(steps))
        else:
            stepper.step(vector.buffer, flat, out_state=flat, out=vector.buffer)
            self._move(vector, groups)
        self._complete_means(vector, flat)

    def _measure_norm(
        self, vector: FlatVector, mover: Mover | None, gradients: list[Tensor], groups: Groups
    ) -> float:
        """Of the gradient, over all processes; without a mover it stands in the vector then."""
        if mover is None:
            _gather(vector, gradients, groups)
        if not vector.spread.is_trivial:
            return vector.spread.measure_norm(gradients, vector.like.dtype)
        return vector.norm() if mover is None else mover.measure_norm(gradients)

    def _move(self, vector: FlatVector, groups: Groups) -> None:
        """Move every group at its own rate; the vector holds the directions, which are used up."""
        views = iter(vector.views)
        for step in self._take_steps(groups):
            directions = list(islice(views, len(step.parameters)))
            move_parameters(
                step.parameters, directions, step.rate, step.n_steps, step.shares, step.decays
            )

    def _take_steps(self, groups: Groups) -> list[GroupStep]:
        return take_steps(groups, self.watch, count_empty=self._others is not None)

    def _complete_means(self, vector: FlatVector, flat: Any) -> None:
        """What a rule has averaged over the coordinates here is averaged over all of them."""
        if vector.spread.is_trivial:
            return
        for name in sorted(self._theta.rule.mean_fields):
            field = getattr(flat, name)
            field.copy_(vector.spread.average_columns(field))


def find_dtype(groups: Groups, moving: Sequence[Tensor]) -> torch.dtype:
    """What is computed in."""
    trained = chain(find_trainable(_list_parameters(groups)), moving)
    doubles = (torch.float64, torch.complex128)
    any_double = any(parameter.dtype in doubles for parameter in trained)
    return torch.float64 if any_double else torch.float32


def _list_parameters(groups: Groups) -> Iterator[Tensor]:
    return chain.from_iterable(group["params"] for group in groups)


def _any_maximizes(groups: Groups) -> bool:
    return any(group["maximize"] for group in groups)


def _gather(vector: FlatVector, gradients: list[Tensor], groups: Groups) -> None:
    """Fills the vector with what is descended."""
    if not gradients:
        return
    torch._foreach_copy_(vector.views, gradients)
    views = iter(vector.views)
    for group, parameters in find_moving(groups):
        own_views = list(islice(views, len(parameters)))
        if group["maximize"]:
            torch._foreach_neg_(own_views)
