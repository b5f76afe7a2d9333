"""The optimizer that users run: one `step()` at a million coordinates, and a whole training step of
a small CNN."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from functools import cache

import hyperadam
import torch
import torch.nn.functional as F
from hyperadam.kernels import ReferenceStepper
from hyperadam.rules import HyperAdamRule
from torch import Tensor, nn

from benchmarks.floors import BYTES_A_COORDINATE, ForwardProducts, copy_bandwidth, finish
from benchmarks.rows import Effort, Measured, NotMeasured, Row, in_turn, ratios

MakeOptimizer = Callable[[Iterable[Tensor]], torch.optim.Optimizer]


def _rule() -> HyperAdamRule:
    rule = hyperadam.pretrained().rule
    assert isinstance(rule, HyperAdamRule)
    return rule


def _step(make: MakeOptimizer, p: int, device: str = "cpu") -> Callable[[], object]:
    """`step()` of an optimizer over a weight, a bias and a smaller weight, p coordinates in all."""
    shapes = [(p // 2,), (p // 100, 10), (p - p // 2 - p // 100 * 10,)]
    parameters = [nn.Parameter(torch.randn(shape, device=device)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return make(parameters).step


@cache
def _step_times(effort: Effort) -> tuple[list[list[float]], str]:
    """Seconds of HyperAdam, its products, torch.optim.Adam and the plain rule, in turn; the two
    floors in words."""
    p = 1_000 if effort.tiny else 1_000_000
    rule, gradient = _rule(), torch.randn(p)
    plain, state = ReferenceStepper(rule, hyperadam.pretrained().vector), rule.init_state(gradient)
    products = ForwardProducts(
        [shape for shape in rule.theta_shapes.values() if len(shape) == 2], p
    )
    works = (
        _step(hyperadam.HyperAdam, p),
        products,
        _step(torch.optim.Adam, p),
        lambda: plain.step(gradient, state),
    )
    times = in_turn(effort.rounds, *works)
    floor = statistics.median(times[1])
    rate = products.flops / floor / 1e9
    return times, f"{products.flops / 1e9:.1f} GFLOP at {rate:.0f} GFLOP/s: {floor * 1e3:.0f} ms"


def _over_floor(effort: Effort) -> Measured:
    times, floor = _step_times(effort)
    return Measured(ratios(times[0], times[1]), floor)


def _over_adam(effort: Effort) -> Measured:
    times, _ = _step_times(effort)
    return Measured(ratios(times[0], times[2]), f"Adam: {statistics.median(times[2]) * 1e3:.1f} ms")


def _plain_over_ours(effort: Effort) -> Measured:
    times, _ = _step_times(effort)
    return Measured(
        ratios(times[3], times[0]), f"plain rule: {statistics.median(times[3]) * 1e3:.0f} ms"
    )


def _gpu_over_floor(effort: Effort) -> Measured:
    if not torch.cuda.is_available():
        raise NotMeasured("no GPU")
    p, device = 1_000_000, "cuda"
    step = _step(hyperadam.HyperAdam, p, device)

    def finished_step() -> None:
        step()
        finish(device)

    (taken,) = in_turn(effort.rounds, finished_step, clock=time.perf_counter)
    floor = p * BYTES_A_COORDINATE / copy_bandwidth(device)
    return Measured(
        [t / floor for t in taken], f"{BYTES_A_COORDINATE} bytes a coordinate: {floor * 1e3:.2f} ms"
    )


def _threads(effort: Effort) -> Measured:
    """Wall time of a step on one thread and on two, in turn; nothing else may need the cores."""
    if (os.cpu_count() or 1) < 2:
        raise NotMeasured("one core")
    step, before = (
        _step(hyperadam.HyperAdam, 1_000 if effort.tiny else 1_000_000),
        torch.get_num_threads(),
    )

    def on(n_threads: int) -> Callable[[], object]:
        def work() -> None:
            torch.set_num_threads(n_threads)
            step()

        return work

    try:
        one, two = in_turn(effort.rounds, on(1), on(2), clock=time.perf_counter)
    finally:
        torch.set_num_threads(before)
    return Measured(
        ratios(one, two), f"one thread: {statistics.median(one) * 1e3:.0f} ms of wall time"
    )


def _cnn_step(make: MakeOptimizer, batch: int) -> Callable[[], object]:
    """Forward, backward and update of a network of two convolutions and a linear layer, p =
    33,834."""
    generator = torch.Generator().manual_seed(0)
    first, second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
    network = nn.Sequential(
        first,
        nn.ReLU(),
        second,
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 14 * 14, 10),
    )
    images = torch.rand(batch, 1, 28, 28, generator=generator)
    labels = torch.randint(10, (batch,), generator=generator)
    optimizer = make(network.parameters())

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def _cnn(effort: Effort) -> Measured:
    n_steps, batch = (1, 4) if effort.tiny else (5, 128)
    ours, adam = _cnn_step(hyperadam.HyperAdam, batch), _cnn_step(torch.optim.Adam, batch)

    def repeated(step: Callable[[], object]) -> Callable[[], object]:
        return lambda: [step() for _ in range(n_steps)]

    taken, with_adam = in_turn(effort.rounds, repeated(ours), repeated(adam))
    return Measured(
        ratios(taken, with_adam),
        f"with Adam: {statistics.median(with_adam) / n_steps * 1e3:.0f} ms",
    )


ROWS = [
    Row(
        name="step-floor",
        what="optimizer step, p = 1e6",
        compared_with="its matrix products",
        at_least=3.0,
        aim=1.5,
        measure=_over_floor,
    ),
    Row(
        name="step-plain",
        what="optimizer step, p = 1e6",
        compared_with="plain torch rule (speedup)",
        better="above",
        measure=_plain_over_ours,
    ),
    Row(
        name="step-adam",
        what="optimizer step, p = 1e6",
        compared_with="torch.optim.Adam",
        measure=_over_adam,
    ),
    Row(
        name="step-threads",
        what="optimizer step, p = 1e6, 2 threads",
        compared_with="one thread (speedup)",
        better="above",
        measure=_threads,
    ),
    Row(
        name="step-gpu",
        what="optimizer step, p = 1e6, GPU",
        compared_with="moving its state once",
        at_least=3.0,
        aim=1.5,
        measure=_gpu_over_floor,
    ),
    Row(
        name="cnn-step",
        what="training step of a small CNN",
        compared_with="with torch.optim.Adam",
        measure=_cnn,
    ),
]
