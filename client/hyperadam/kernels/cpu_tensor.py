"""Single steps of the rule whose cells are a tensor's, on the CPU, in one pass over all
coordinates.

The cells are a few hundred numbers a tensor: they stay in torch (`HyperAdamTensorRule.run_cells`).
What is done for each coordinate is in `native/tensor.c`, on the calling thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any, Final

import torch
from torch import Tensor

from hyperadam import settings
from hyperadam.kernels.build import BuildError, compile_library
from hyperadam.kernels.checks import check_tensor
from hyperadam.kernels.library import warn_once
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorState, Rule
from hyperadam.rules.hyperadam_tensor import read_lengths

_DTYPES: Final = (torch.float32, torch.float64)
_CPU: Final = torch.device("cpu")
_POINTER: Final = ctypes.c_void_p


class TensorArguments(ctypes.Structure):
    """`TensorProblem` of tensor.c."""

    _fields_ = (
        ("n_learners", ctypes.c_int64),
        ("p", ctypes.c_int64),
        ("n_tensors", ctypes.c_int64),
        ("gamma", ctypes.c_double),
        ("epsilon", ctypes.c_double),
        ("bound", ctypes.c_double),
    )


@cache
def load_tensor_step(n_candidates: int, dtype: torch.dtype) -> Callable[..., None] | None:
    """`tensor_step` for one J and dtype, or None where it cannot be made, which is logged once."""
    try:
        path = compile_library(n_candidates, dtype == torch.float64, source="tensor.c")
        function: Any = ctypes.CDLL(str(path)).tensor_step
    except (BuildError, OSError) as error:
        warn_once(str(error))
        return None
    function.argtypes = [_POINTER] * 13
    function.restype = None
    return function  # type: ignore[no-any-return]


def open_tensor_stepper(rule: Rule[Any], theta: Tensor) -> FusedTensorStepper | None:
    """A stepper, or None where plain torch has to run: other rules, devices and dtypes, no
    compiler, or `HYPERADAM_KERNEL=off`."""
    if not isinstance(rule, HyperAdamTensorRule) or theta.dtype not in _DTYPES:
        return None
    if theta.device != _CPU or settings.read_kernel_choice() == "off":
        return None
    run = load_tensor_step(rule.spec.n_candidates, theta.dtype)
    return None if run is None else FusedTensorStepper(rule, theta, run)


class FusedTensorStepper:
    """Single steps; see `hyperadam.kernels.Stepper`. A state in bfloat16 is widened as a whole."""

    def __init__(self, rule: HyperAdamTensorRule, theta: Tensor, run: Callable[..., None]) -> None:
        self._rule = rule
        self._dtype = theta.dtype
        self._theta = rule.unpack(theta.detach().clone())
        self._run = run

    @torch.no_grad()
    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, HyperAdamTensorState]:
        gradient = check_tensor("gradient", gradient, tuple(gradient.shape), self._dtype, _CPU)
        gradient = gradient.contiguous()
        stored = state[0].dtype
        wide = self._check_state(self._rule.cast_state(state, self._dtype), gradient.shape)
        writes_in_place = out_state is not None and self._may_write(out_state, wide)
        direction = torch.empty_like(gradient) if out is None else out
        if not direction.is_contiguous():
            raise ValueError("out must be contiguous")
        check_tensor("out", direction, tuple(gradient.shape), self._dtype, _CPU)

        m = out_state.m if writes_in_place else torch.empty_like(wide.m)
        v = out_state.v if writes_in_place else torch.empty_like(wide.v)
        new_state = self._step_coordinates(gradient, wide, m, v, direction)
        if out_state is None:
            return direction, self._rule.cast_state(new_state, stored)
        for target, field in zip(out_state, new_state, strict=True):
            if target is not field:
                target.copy_(field)
        return direction, out_state

    def _check_state(self, state: HyperAdamTensorState, shape: torch.Size) -> HyperAdamTensorState:
        """The state, in memory without gaps.

        Raises:
            ValueError: it is not one for gradients of this shape.
        """
        n = self._rule.spec.n_candidates
        n_tensors = state.length.shape[-1]
        rows = {"m": n, "beta_hat": n, "means": n + 2, "traits": 5, "length": 2}
        fields = []
        for name, field in state._asdict().items():
            is_per_tensor = name in self._rule.per_tensor_fields
            last = n_tensors if is_per_tensor else shape[-1]
            expected = (rows.get(name, 1), *shape[:-1], last)
            checked = check_tensor(f"state.{name}", field, expected, self._dtype, _CPU)
            fields.append(checked.contiguous())
        return HyperAdamTensorState(*fields)

    def _may_write(self, out_state: HyperAdamTensorState, wide: HyperAdamTensorState) -> bool:
        """Whether moments can be written to where they belong without a copy."""
        pairs = [(out_state.m, wide.m), (out_state.v, wide.v)]
        return all(
            target.dtype == self._dtype and target.shape == field.shape and target.is_contiguous()
            for target, field in pairs
        )

    def _step_coordinates(
        self, gradient: Tensor, state: HyperAdamTensorState, m: Tensor, v: Tensor, direction: Tensor
    ) -> HyperAdamTensorState:
        """Writes m, v and the direction; the new state."""
        lengths = read_lengths(state)
        p = gradient.shape[-1]
        if sum(lengths) != p or min(lengths) < 0:
            raise ValueError(f"state is of {lengths} coordinates, gradient has {p}")

        cells = self._rule.run_cells(self._theta, state)
        one = state.gamma_hat.new_ones(())
        beta_hat = torch.lerp(one, state.beta_hat, cells.beta)
        gamma_hat = torch.lerp(one, state.gamma_hat, cells.gamma)
        sums = torch.empty_like(state.means, dtype=torch.float64)
        weights = cells.rho / beta_hat
        arguments = TensorArguments(
            n_learners=prod(gradient.shape[:-1]),
            p=p,
            n_tensors=len(lengths),
            gamma=float(cells.gamma),
            epsilon=self._rule.spec.epsilon,
            bound=self._rule.spec.direction_bound,
        )
        # In the order of tensor.c; cells of one kind are contiguous, whatever torch made of them.
        inputs = [cells.beta, weights, gamma_hat, cells.step_length, gradient, state.m, state.v]
        read = [tensor.contiguous() for tensor in inputs]
        written = [m, v, direction, sums]
        self._run(
            ctypes.byref(arguments),
            (ctypes.c_int64 * len(lengths))(*lengths),
            *(tensor.data_ptr() for tensor in (*read, *written)),
        )

        counts = torch.tensor([max(1, length) for length in lengths], dtype=torch.float64)
        means = (sums / counts).to(self._dtype)
        factors = torch.cat([beta_hat * beta_hat, gamma_hat, torch.ones_like(gamma_hat)])
        return state._replace(
            m=m,
            v=v,
            beta_hat=beta_hat,
            gamma_hat=gamma_hat,
            means=means / factors,
            n_steps=state.n_steps + 1,
        )
