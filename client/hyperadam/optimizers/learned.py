"""What all learned optimizers share: a rule with its Θ, run as a `torch.optim.Optimizer`.

The mathematics is the rule's own, run by the stepper that meta-training validates with
(`hyperadam.kernels`). Here is what surrounds it: parameters in and out of one flat vector, rates
and weight decay of groups, checkpoints, refusals.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, ClassVar, Unpack, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from hyperadam.kernels import Stepper, open_stepper
from hyperadam.optimizers.checkpoint import by_parameter, check_same_theta, read_state
from hyperadam.optimizers.checks import (
    check_group,
    check_strided,
    check_theta,
    explain_not_finite,
)
from hyperadam.optimizers.flat import FlatState, FlatVector, one_device
from hyperadam.rates import KNOBS, Rate, RateKnobs, move_parameters
from hyperadam.shipped import pretrained
from hyperadam.theta import Theta


class LearnedOptimizer(Optimizer):
    """Runs a Θ over one flat vector of all parameters with gradients.

        d, state = update(Θ, g, state)
        w ← (1 − lr_t · weight_decay) w − lr_t · share(w) · d

    Abstract; a subclass says which kinds of rule it runs and which Θ is its default. All behave
    alike:

    - **Missing gradients.** A parameter whose `grad` is None is left out of the step: it does not
      move or decay, takes no part in norms, and keeps its state for when it comes back.
    - **Gradients that are not finite** (or whose squared norm overflows the dtype of computation)
      raise `FloatingPointError` before anything is changed. Norms join all coordinates: one NaN,
      passed on as other optimizers do, would at once be in the state of every coordinate, for good.
      Whoever prefers to lose the step catches the error and goes on; `torch.amp.GradScaler` skips
      such steps by itself. The check is one norm.
    - **Dtypes.** Parameters may be float32, float64, bfloat16 or float16, also mixed. State and
      computation are float64 if any parameter is, else float32; only w itself is rounded to the
      parameter's dtype. With `state_dtype=torch.bfloat16` the state alone is kept in bfloat16, half
      the memory, and rounded to nearest after every step; computation stays as it is. Checkpoints
      load into either.
    - **Checkpoints.** `state_dict` is per parameter, as torch's, and continuation from it is
      bit-equal. It carries the digest of Θ, and is not loaded into an optimizer that runs another
      Θ. `state` is built on request: changing what it returns changes nothing.
    - **Rate.** At the t-th step of a group its rate is lr_t = lr min(1, (t + 1) / W)
      √min(1, D / (t + 1)), with its `warmup_steps` W and its `decay_after` D. A parameter has a
      share of it by its shape, with `base_fan_in`, `least_fan_in` and `base_places`
      (`hyperadam.rates`). By default all are Θ's own; 0 turns each off. A scheduler of `lr` goes
      on top of it.
    - **Weight decay** is decoupled, as AdamW's; by default Θ's own.
    - **New groups** (`add_param_group`) start from the rule's first state, with a warm-up of their
      own.
    """

    rule_kinds: ClassVar[frozenset[str]]
    """Kinds of rule that the class runs."""
    default_theta: ClassVar[str]
    """Name of the pretrained Θ that is taken when none is given."""

    def __init__(
        self,
        params: ParamsT,
        theta: Theta | None = None,
        lr: float | None = None,
        *,
        state_dtype: torch.dtype | None = None,
        **knobs: Unpack[RateKnobs],
    ) -> None:
        if state_dtype not in (None, torch.bfloat16):
            raise ValueError(f"state_dtype must be None or torch.bfloat16, got {state_dtype!r}")
        self._state_dtype = state_dtype
        self._theta = pretrained(self.default_theta) if theta is None else theta
        check_theta(self._theta, self.rule_kinds, type(self).__name__)
        self._flat = FlatState(self._theta.rule)
        self._vector: FlatVector | None = None
        self._stepper: Stepper | None = None
        super().__init__(params, {**self._default_rate(lr, knobs), "n_steps": 0})

    @property
    def theta(self) -> Theta:
        """The Θ that is run."""
        return self._theta

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move the parameters once.

        Args:
            closure: reevaluates the model with gradients and returns the loss, which is then
                returned from here.

        Raises:
            RuntimeError: a gradient is sparse.
            FloatingPointError: a gradient is not finite; nothing was changed.
            ValueError: the parameters are on several devices.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [parameter for parameter in self._parameters() if parameter.grad is not None]
        if moving:
            vector, stepper = self._read_gradients(moving)
            state = self._flat.over(vector, self._state_dtype or vector.buffer.dtype)
            stepper.step(vector.buffer, state, out_state=state, out=vector.buffer)
            self._move(vector)
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with a `lr`, `weight_decay` and schedule of their own if given; their
        state starts from zero.

        Raises:
            ValueError: `lr` is not a finite number of at least 0, a field of the schedule is no
                number in its range (`hyperadam.rates`), or the devices differ.
            TypeError: a parameter is not of a real floating dtype.
        """
        super().add_param_group(param_group)
        try:
            check_group(self.param_groups[-1], type(self).__name__)
            one_device(self._parameters())
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    @property
    def state(self) -> defaultdict[Tensor, Any]:
        """Parameter → field → tensor of shape (·, *parameter.shape), or (·, 1) where a rule has
        one number a parameter: views of the state as it is now."""
        return by_parameter(self._flat.pieces(), self._theta.rule, self._parameters())

    @state.setter
    def state(self, value: defaultdict[Tensor, Any]) -> None:
        # torch's constructor and load_state_dict assign it; the truth is in self._flat.
        if value:
            raise AttributeError("state cannot be assigned; use load_state_dict")

    def state_dict(self) -> dict[str, Any]:
        """As torch's, with `theta_sha256` beside `state` and `param_groups`; loads with
        `weights_only=True`.

        The state in it is a copy: later steps do not change it.
        """
        packed = super().state_dict()
        state = {
            index: {name: field.clone() for name, field in fields.items()}
            for index, fields in packed["state"].items()
        }
        return packed | {"state": state, "theta_sha256": self._theta.sha256}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave, bit for bit. If it is refused, nothing has changed.

        Raises:
            ValueError: it comes from another Θ, or its groups, fields or shapes are not those of
                this optimizer.
        """
        pieces: dict[Tensor, Any] = {}

        # The state goes past torch's loader, which would round it to the dtype of the parameters:
        # it is read after all hooks that come before loading, and put before all that come after.
        def read_pieces(_: Optimizer, loaded: dict[str, Any]) -> dict[str, Any]:
            check_same_theta(loaded, self._theta)
            pieces.update(read_state(loaded, self._theta.rule, self._parameters()))
            return {**loaded, "state": {}}

        def put_pieces(_: Optimizer) -> None:
            self._flat.replace(pieces)

        before = self.register_load_state_dict_pre_hook(read_pieces)
        after = self.register_load_state_dict_post_hook(put_pieces, prepend=True)
        with before, after:
            super().load_state_dict(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "param_groups": self.param_groups,
            "_theta": self._theta,
            "_state_dtype": self._state_dtype,
            "_pieces": self._flat.pieces(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        state.pop("state", None)
        pieces = state.pop("_pieces", None)
        super().__setstate__(state)
        self._add_missing_knobs()
        if pieces is not None:
            self._flat = FlatState(self._theta.rule)
            self._flat.replace(pieces)
            self._vector = None
            self._stepper = None

    def _add_missing_knobs(self) -> None:
        """Knobs that are younger than a checkpoint are off: it began without them."""
        for group in self.param_groups:
            for name in (*KNOBS, "n_steps"):
                group.setdefault(name, 0)

    def _parameters(self) -> Iterator[Tensor]:
        return chain.from_iterable(group["params"] for group in self.param_groups)

    def _read_gradients(self, moving: list[Tensor]) -> tuple[FlatVector, Stepper]:
        """The gradients in one vector, checked, and what steps over it; both anew when other
        parameters move."""
        gradients = [parameter.grad for parameter in moving if parameter.grad is not None]
        check_strided(gradients, type(self).__name__)

        dtype = self._computation_dtype()
        if self._vector is None or self._stepper is None or not self._vector.fits(moving, dtype):
            self._vector = FlatVector(moving, dtype)
            theta = self._theta.vector.to(self._vector.buffer)
            self._stepper = open_stepper(self._theta.rule, theta)

        torch._foreach_copy_(self._vector.views, gradients)
        if not math.isfinite(self._vector.norm()):
            raise FloatingPointError(explain_not_finite(self._vector, self.param_groups))
        return self._vector, self._stepper

    def _computation_dtype(self) -> torch.dtype:
        any_double = any(parameter.dtype == torch.float64 for parameter in self._parameters())
        return torch.float64 if any_double else torch.float32

    def _move(self, vector: FlatVector) -> None:
        """Move every group at its own rate; the vector holds the directions, which are used up."""
        views = iter(vector.views)
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue

            rate = Rate.from_fields(group)
            directions = [next(views) for _ in parameters]
            shares = [rate.share(parameter.shape) for parameter in parameters]
            less_than_all = shares if min(shares) < 1 else None
            move_parameters(parameters, directions, rate, group["n_steps"], less_than_all)
            group["n_steps"] += 1

    def _default_rate(self, lr: float | None, knobs: RateKnobs) -> dict[str, float]:
        """The fields of Θ's own rate, but for those that were given."""
        rate = self._theta.rate.to_fields()
        unknown = sorted(set(knobs) - set(KNOBS))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no argument {unknown[0]!r}")
        changes: dict[str, Any] = {"lr": lr, **knobs}
        return rate | {name: value for name, value in changes.items() if value is not None}
