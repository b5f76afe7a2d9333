"""The compiled library as Python functions: one `Library` for each J and dtype, loaded once a
process."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor

from hyperadam.kernels.build import BuildError, compile_library
from hyperadam.rules import HyperAdamSpec

_LOG: Final = logging.getLogger("hyperadam")


class CellArguments(ctypes.Structure):
    """`Problem` of cell.h: the learners' shape and the choices of the spec."""

    _fields_ = (
        ("n_learners", ctypes.c_int64),
        ("p", ctypes.c_int64),
        ("norm_epsilon", ctypes.c_double),
        ("forget_bias", ctypes.c_double),
        ("epsilon", ctypes.c_double),
        ("rms", ctypes.c_int32),
        ("squash", ctypes.c_int32),
        ("normalize_state", ctypes.c_int32),
        ("inside_root", ctypes.c_int32),
        ("bf16_state", ctypes.c_int32),
    )

    @classmethod
    def of(
        cls, spec: HyperAdamSpec, n_learners: int, p: int, *, bf16_state: bool = False
    ) -> CellArguments:
        return cls(
            n_learners,
            p,
            spec.norm_epsilon,
            spec.forget_bias,
            spec.epsilon,
            spec.normalization == "rms",
            spec.squash == "asinh",
            spec.normalize_state,
            spec.epsilon_inside_root,
            bf16_state,
        )


_POINTER: Final = ctypes.c_void_p
_INT: Final = ctypes.c_int64
_POINTERS: Final = ctypes.POINTER(ctypes.c_void_p)


class Library:
    """The functions of `native/`, for one J and dtype. Calls release the interpreter lock.

    Raises:
        BuildError: it cannot be compiled or loaded here.
    """

    def __init__(self, n_candidates: int, dtype: torch.dtype) -> None:
        try:
            path = compile_library(n_candidates, double=dtype == torch.float64)
            self._loaded = ctypes.CDLL(str(path))
        except OSError as error:
            raise BuildError(f"the compiled kernel cannot be loaded: {error}") from error
        self.n_candidates = n_candidates
        self.dtype = dtype

        passes = [_POINTER] * 4 + [_POINTERS] * 2 + [_POINTER] * 2 + [_INT] * 2
        self.gradient_scales = self._find_function("gradient_scales", [_POINTER] * 5)
        self.state_scales = self._find_function("state_scales", [_POINTER] * 3)
        self.first_pass = self._find_function("first_pass", passes)
        self.second_pass = self._find_function("second_pass", passes)
        self.tape_load = self._find_function("tape_load", [_POINTER, _POINTERS, _POINTER])
        self.tape_unload = self._find_function("tape_unload", [_POINTER, _POINTER, _POINTERS])
        self.tape_step = self._find_function("tape_step", [_POINTER] * 10)
        self.tape_backward = self._find_function(
            "tape_backward", [_POINTER] * 2 + [_INT] + [_POINTERS] * 3 + [_POINTER] * 6
        )
        self.tape_backward_step = self._find_function("tape_backward_step", [_POINTER] * 12)

        self.block_size: int = self._find_function("block_size", [], ctypes.c_int64)()
        self.forward_workspace: int = self._find_function("forward_workspace", [], ctypes.c_int64)()
        self.backward_workspace: int = self._find_function(
            "backward_workspace", [], ctypes.c_int64
        )()

    def _find_function(
        self, name: str, arguments: list[Any], result: Any = None
    ) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self._loaded, name)
        function.argtypes = arguments  # type: ignore[attr-defined]
        function.restype = result  # type: ignore[attr-defined]
        return function

    def make_buffer(self, *shape: int) -> Tensor:
        """Uninitialised numbers of the kernel's dtype."""
        return torch.empty(shape, dtype=self.dtype)


def list_addresses(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """The addresses of the tensors' numbers, as a C array."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


@cache
def load_library(n_candidates: int, dtype: torch.dtype) -> Library | None:
    """The library, or None where it cannot be made, which is logged once."""
    try:
        return Library(n_candidates, dtype)
    except BuildError as error:
        warn_once(str(error))
        return None


@cache
def warn_once(reason: str) -> None:
    """Logs why kernels are not available, once for each reason."""
    _LOG.warning(
        "The fused kernel is not available, plain torch is used instead (same results, slower): %s",
        reason,
    )
