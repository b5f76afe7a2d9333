"""The compiled library of the rule whose cells are a tensor's, and what its functions are told of
learners: `native/tensor.c`, for one J and dtype."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
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
from hyperadam.rules.tensor_state import read_lengths

CPU: Final = torch.device("cpu")
MOVING_FIELDS: Final = ("m", "v", "beta_hat", "gamma_hat", "means", "n_steps")
"""Fields that a step changes, in the order of `TensorState` of tensor_cells.h."""
_DTYPES: Final = (torch.float32, torch.float64)
_POINTER: Final = ctypes.c_void_p
_INT: Final = ctypes.c_int64


class TensorArguments(ctypes.Structure):
    """`TensorProblem` of tensor_cells.h."""

    _fields_ = (
        ("n_learners", ctypes.c_int64),
        ("p", ctypes.c_int64),
        ("n_tensors", ctypes.c_int64),
        ("n_hidden", ctypes.c_int64),
        ("n_surroundings", ctypes.c_int64),
        ("n_means", ctypes.c_int64),
        ("epsilon", ctypes.c_double),
        ("bound", ctypes.c_double),
        ("sparse_above", ctypes.c_double),
        ("lengths", _POINTER),
        ("start_rms", _POINTER),
        ("traits", _POINTER),
    )


class TensorLibrary:
    """The functions of tensor.c. Calls release the interpreter lock.

    Raises:
        BuildError: it cannot be compiled or loaded here.
    """

    def __init__(self, n_candidates: int, dtype: torch.dtype) -> None:
        try:
            path = compile_library(n_candidates, dtype == torch.float64, source="tensor.c")
            self._loaded = ctypes.CDLL(str(path))
        except OSError as error:
            raise BuildError(f"the compiled kernel cannot be loaded: {error}") from error
        self.step = self._find_function("tensor_step", [_POINTER] * 6)
        self.tape_step = self._find_function("tensor_tape_step", [_POINTER] * 6)
        self.tape_backward_step = self._find_function("tensor_tape_backward_step", [_POINTER] * 9)

        self.norm = self._find_function("tensor_norm", [_POINTER, _POINTER, _INT], ctypes.c_double)
        self.move_prepare = self._find_function("tensor_move_prepare", [_POINTER] * 5)
        self.move_segments = self._find_function(
            "tensor_move_segments", [_POINTER] * 5 + [_INT] * 2
        )
        self.move_finish = self._find_function("tensor_move_finish", [_POINTER] * 5)
        self.segment: int = self._find_function("tensor_segment", [], _INT)()
        self.n_sums: int = self._find_function("tensor_sums", [], _INT)()
        self.move_workspace = self._find_function("tensor_move_workspace", [_INT], _INT)

    def _find_function(self, name: str, arguments: list[Any], result: Any = None) -> Any:
        function = getattr(self._loaded, name)
        function.argtypes = arguments
        function.restype = result
        return function


@cache
def load_tensor_library(n_candidates: int, dtype: torch.dtype) -> TensorLibrary | None:
    """The library, or None where it cannot be made, which is logged once."""
    try:
        return TensorLibrary(n_candidates, dtype)
    except BuildError as error:
        warn_once(str(error))
        return None


@dataclass(frozen=True)
class TensorKernel:
    """A rule, its Θ and the library that runs them."""

    rule: HyperAdamTensorRule
    dtype: torch.dtype
    theta: Tensor
    """Shape (n_theta,), float64: the cells compute in it."""
    library: TensorLibrary


def choose_tensor_kernel(rule: Rule[Any], theta: Tensor) -> TensorKernel | None:
    """The kernel, or None where plain torch has to run: other rules, devices and dtypes, no
    compiler, or `HYPERADAM_KERNEL=off`.

    Raises:
        ValueError: Θ has another shape.
    """
    if not isinstance(rule, HyperAdamTensorRule) or theta.dtype not in _DTYPES:
        return None
    if theta.device != CPU or settings.read_kernel_choice() == "off":
        return None
    library = load_tensor_library(rule.spec.n_candidates, theta.dtype)
    if library is None:
        return None
    vector = check_tensor("theta", theta, (rule.n_theta,), theta.dtype, CPU)
    wide = vector.to(torch.float64, copy=True).contiguous()
    return TensorKernel(rule, theta.dtype, wide, library)


class TensorLayout:
    """Learners of the same tensors, as the library's functions are told of them."""

    def __init__(self, kernel: TensorKernel, shape: Sequence[int], state: HyperAdamTensorState):
        """
        Args:
            kernel: the rule and its dtype.
            shape: (*batch, p) of gradients and directions.
            state: gives what does not change from step to step.

        Raises:
            ValueError: the state's tensors together do not have p coordinates.
        """
        self.shape = tuple(shape)
        lengths = read_lengths(state)
        if sum(lengths) != self.shape[-1] or min(lengths) < 0:
            raise ValueError(f"state is of {lengths} coordinates, gradient has {self.shape[-1]}")
        self.lengths = lengths
        self.n_learners = prod(self.shape[:-1])
        self.n_tensors = len(lengths)
        self.constants = {name: getattr(state, name) for name in ("start_rms", "traits", "length")}
        self._kept = [field.contiguous() for field in self.constants.values()]
        self._lengths = (ctypes.c_int64 * len(lengths))(*lengths)
        self._arguments = TensorArguments(
            n_learners=self.n_learners,
            p=self.shape[-1],
            n_tensors=self.n_tensors,
            n_hidden=kernel.rule.spec.n_hidden,
            n_surroundings=kernel.rule.n_surroundings,
            n_means=kernel.rule.n_means,
            epsilon=kernel.rule.spec.epsilon,
            bound=kernel.rule.spec.direction_bound,
            sparse_above=kernel.rule.spec.sparse_above,
            lengths=ctypes.addressof(self._lengths),
            start_rms=self._kept[0].data_ptr(),
            traits=self._kept[1].data_ptr(),
        )
        self.address = ctypes.byref(self._arguments)

    def shape_fields(self, kernel: TensorKernel) -> dict[str, tuple[int, ...]]:
        """Name → shape of the fields that a step changes."""
        return field_shapes(kernel.rule, self.shape, self.n_tensors, MOVING_FIELDS)


def field_shapes(
    rule: HyperAdamTensorRule, shape: Sequence[int], n_tensors: int, names: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Name → shape of these fields of a state, for gradients (*batch, p)."""
    n = rule.spec.n_candidates
    rows = {"m": n, "beta_hat": n, "means": rule.n_means, "traits": rule.n_traits, "length": 2}
    shapes: dict[str, tuple[int, ...]] = {}
    for name in names:
        last = n_tensors if name in rule.per_tensor_fields else shape[-1]
        shapes[name] = (rows.get(name, 1), *shape[:-1], last)
    return shapes


def check_tensor_state(
    kernel: TensorKernel, state: HyperAdamTensorState, shape: Sequence[int]
) -> HyperAdamTensorState:
    """The state, in memory without gaps.

    Args:
        kernel: the rule and its dtype.
        state: any.
        shape: (*batch, p) of gradients.

    Raises:
        ValueError: it is not one for gradients of this shape; names the field.
    """
    shapes = field_shapes(kernel.rule, shape, state.length.shape[-1], state._fields)
    fields = []
    for name, field in zip(state._fields, state, strict=True):
        checked = check_tensor(f"state.{name}", field, shapes[name], kernel.dtype, CPU)
        fields.append(checked.contiguous())
    return HyperAdamTensorState(*fields)
