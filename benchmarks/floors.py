"""What no implementation can beat: the rate of matrix products and of copies on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.measuring import measure_in_turn

BYTES_A_COORDINATE = 960
"""State read and written by one step in float32: 6 J numbers, J = 20, both ways."""


def measure_copy_bandwidth(device: str = "cpu", n_bytes: int = 2**28, rounds: int = 5) -> float:
    """Bytes read and written a second by copies from memory to memory, one thread on the CPU."""
    source = torch.ones(n_bytes // 4, device=device)
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        synchronize(device)

    clock = time.process_time if device == "cpu" else time.perf_counter
    [seconds] = measure_in_turn(rounds, copy, clock=clock)
    return 2 * n_bytes / statistics.median(seconds)


def synchronize(device: str) -> None:
    """Wait for what was begun on the device."""
    if device != "cpu":
        torch.cuda.synchronize()


class ForwardProducts:
    """The matrix products of one step of a rule's layers over p coordinates, nothing else."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], p: int) -> None:
        self._operands: list[tuple[Tensor, Tensor, Tensor]] = []
        for n_out, n_in in shapes:
            weight = torch.randn(n_out, n_in)
            x = torch.randn(n_in, p)
            y = torch.empty(n_out, p)
            self._operands.append((weight, x, y))

    def __call__(self) -> None:
        for weight, x, y in self._operands:
            torch.mm(weight, x, out=y)

    @property
    def flops(self) -> int:
        return sum(2 * weight.numel() * x.shape[1] for weight, x, _ in self._operands)
