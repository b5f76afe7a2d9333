"""HyperAdam of the paper as users run it: its step at a million coordinates, and a small CNN's with
it. The rule whose cells are a tensor's is in `benchmarks.tensor_steps`."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import NamedTuple

import hyperadam
import torch
import torch.nn.functional as F
from hyperadam.kernels import ReferenceStepper
from hyperadam.rules import HyperAdamRule
from torch import Tensor, nn

from benchmarks.floors import (
    BYTES_A_COORDINATE,
    ForwardProducts,
    measure_copy_bandwidth,
    synchronize,
)
from benchmarks.measuring import divide, measure_in_turn
from benchmarks.rows import Effort, Measured, NotMeasured, Row

MakeOptimizer = Callable[[Iterable[Tensor]], torch.optim.Optimizer]


class StepTimes(NamedTuple):
    """Seconds of one step, round by round."""

    hyperadam: list[float]
    products: list[float]
    """The matrix products of HyperAdam's step, and nothing else."""
    adam: list[float]
    plain_rule: list[float]
    flops: int
    """Of the products."""


@cache
def _load_theta() -> hyperadam.Theta:
    theta = hyperadam.pretrained("hyperadam-v1")
    assert isinstance(theta.rule, HyperAdamRule)
    return theta


def make_optimizer(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    return hyperadam.HyperAdam(parameters, _load_theta())


def make_step(make: MakeOptimizer, p: int, device: str = "cpu") -> Callable[[], object]:
    """`step()` of an optimizer over a weight, a bias and a smaller weight, p coordinates in all."""
    first = p // 2
    second = p // 100
    shapes = [(first,), (second, 10), (p - first - second * 10,)]
    parameters = [nn.Parameter(torch.randn(shape, device=device)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return make(parameters).step


@cache
def _measure_steps(effort: Effort) -> StepTimes:
    """The four in turn."""
    p = 1_000 if effort.tiny else 1_000_000
    theta = _load_theta()
    rule = theta.rule
    gradient = torch.randn(p)
    plain_stepper = ReferenceStepper(rule, theta.vector)
    state = rule.init_state(gradient)
    layer_shapes = [shape for shape in rule.theta_shapes.values() if len(shape) == 2]
    products = ForwardProducts(layer_shapes, p)

    with_hyperadam, with_products, with_adam, with_plain_rule = measure_in_turn(
        effort.rounds,
        make_step(make_optimizer, p),
        products,
        make_step(torch.optim.Adam, p),
        lambda: plain_stepper.step(gradient, state),
    )
    return StepTimes(with_hyperadam, with_products, with_adam, with_plain_rule, products.flops)


def _measure_over_floor(effort: Effort) -> Measured:
    times = _measure_steps(effort)
    floor = statistics.median(times.products)
    rate = times.flops / floor / 1e9
    text = f"{times.flops / 1e9:.1f} GFLOP at {rate:.0f} GFLOP/s: {floor * 1e3:.0f} ms"
    return Measured(divide(times.hyperadam, times.products), text)


def _measure_over_adam(effort: Effort) -> Measured:
    times = _measure_steps(effort)
    text = f"Adam: {statistics.median(times.adam) * 1e3:.1f} ms"
    return Measured(divide(times.hyperadam, times.adam), text)


def _measure_plain_rule(effort: Effort) -> Measured:
    times = _measure_steps(effort)
    text = f"plain rule: {statistics.median(times.plain_rule) * 1e3:.0f} ms"
    return Measured(divide(times.plain_rule, times.hyperadam), text)


def _measure_on_gpu(effort: Effort) -> Measured:
    if not torch.cuda.is_available():
        raise NotMeasured("no GPU")
    p = 1_000_000
    device = "cuda"
    step = make_step(make_optimizer, p, device)

    def finish_step() -> None:
        step()
        synchronize(device)

    [seconds] = measure_in_turn(effort.rounds, finish_step, clock=time.perf_counter)
    floor = p * BYTES_A_COORDINATE / measure_copy_bandwidth(device)
    text = f"{BYTES_A_COORDINATE} bytes a coordinate: {floor * 1e3:.2f} ms"
    return Measured([s / floor for s in seconds], text)


def _measure_threads(effort: Effort) -> Measured:
    """Wall time of a step on one thread and on two, in turn; nothing else may need the cores."""
    if (os.cpu_count() or 1) < 2:
        raise NotMeasured("one core")
    step = make_step(make_optimizer, 1_000 if effort.tiny else 1_000_000)

    def step_on(n_threads: int) -> None:
        torch.set_num_threads(n_threads)
        step()

    n_threads_before = torch.get_num_threads()
    try:
        on_one, on_two = measure_in_turn(
            effort.rounds, partial(step_on, 1), partial(step_on, 2), clock=time.perf_counter
        )
    finally:
        torch.set_num_threads(n_threads_before)
    text = f"one thread: {statistics.median(on_one) * 1e3:.0f} ms of wall time"
    return Measured(divide(on_one, on_two), text)


def make_cnn_step(make: MakeOptimizer, batch: int) -> Callable[[], None]:
    """Forward, backward and update of two convolutions and a linear layer, p = 33,834."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
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


def _measure_cnn(effort: Effort) -> Measured:
    n_steps = 1 if effort.tiny else 5
    batch = 4 if effort.tiny else 128

    def repeat(step: Callable[[], None]) -> None:
        for _ in range(n_steps):
            step()

    with_hyperadam, with_adam = measure_in_turn(
        effort.rounds,
        partial(repeat, make_cnn_step(make_optimizer, batch)),
        partial(repeat, make_cnn_step(torch.optim.Adam, batch)),
    )
    text = f"with Adam: {statistics.median(with_adam) / n_steps * 1e3:.0f} ms"
    return Measured(divide(with_hyperadam, with_adam), text)


ROWS = [
    Row(
        name="step-floor",
        what="optimizer step, p = 1e6",
        compared_with="its matrix products",
        at_least=3.0,
        aim=1.5,
        measure=_measure_over_floor,
    ),
    Row(
        name="step-plain",
        what="optimizer step, p = 1e6",
        compared_with="plain torch rule (speedup)",
        better="above",
        measure=_measure_plain_rule,
    ),
    Row(
        name="step-adam",
        what="optimizer step, p = 1e6",
        compared_with="torch.optim.Adam",
        measure=_measure_over_adam,
    ),
    Row(
        name="step-threads",
        what="optimizer step, p = 1e6, 2 threads",
        compared_with="one thread (speedup)",
        better="above",
        measure=_measure_threads,
    ),
    Row(
        name="step-gpu",
        what="optimizer step, p = 1e6, GPU",
        compared_with="moving its state once",
        at_least=3.0,
        aim=1.5,
        measure=_measure_on_gpu,
    ),
    Row(
        name="cnn-step",
        what="training step of a small CNN",
        compared_with="with torch.optim.Adam",
        measure=_measure_cnn,
    ),
]
