"""The optimizer whose cells are a tensor's, beside the Adams that people run; and what an update of
its meta-training takes, beside the plain rule."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import hyperadam
import torch
import torch.nn.functional as F
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamTensorRule
from torch import Tensor, nn

from benchmarks.deployed import MakeOptimizer, make_cnn_step, make_step
from benchmarks.measuring import divide, measure_in_turn
from benchmarks.rows import Effort, Measured, Row
from meta_trainer.datasets import TensorData
from meta_trainer.datasets.characters import N_CHARACTERS, WINDOW
from meta_trainer.estimators import Objective, differentiate_learners
from meta_trainer.learners import MLP
from meta_trainer.learners.field.transformers import GPT2
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.unrolls.episodes import begin_episode

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
"""Coordinates whose steps are compared."""
RATE = Rate(lr=1.0, warmup_steps=20, decay_after=50)


@cache
def make_tensor_theta() -> hyperadam.Theta:
    """Untrained: what it costs does not depend on what it says."""
    rule = HyperAdamTensorRule()
    vector = rule.pack(rule.init_theta(torch.Generator().manual_seed(0), "ensemble"))
    return hyperadam.Theta.from_vector(rule, vector, rate=RATE)


def make_optimizer(state_dtype: torch.dtype | None = None) -> MakeOptimizer:
    return partial(hyperadam.HyperAdam, theta=make_tensor_theta(), state_dtype=state_dtype)


@contextmanager
def _one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _repeat(step: Callable[[], object], n_steps: int) -> None:
    for _ in range(n_steps):
        step()


def _measure_step(p: int, state_dtype: torch.dtype | None, effort: Effort) -> Measured:
    """On one thread."""
    if effort.tiny:
        p = 1_000
    n_steps = 1 if effort.tiny else max(2, 20_000_000 // p)
    makes: list[MakeOptimizer] = [
        make_optimizer(state_dtype),
        partial(torch.optim.Adam, fused=True),
        partial(torch.optim.Adam, foreach=True),
    ]
    with _one_thread():
        works = [partial(_repeat, make_step(make, p), n_steps) for make in makes]
        own, fused, foreach = measure_in_turn(effort.rounds, *works)
    over_foreach = statistics.median(divide(own, foreach))
    milliseconds = statistics.median(fused) / n_steps * 1e3
    text = f"fused Adam: {milliseconds:.3f} ms; {over_foreach:.2f} × Adam by foreach"
    return Measured(divide(own, fused), text)


def _measure_state(effort: Effort) -> Measured:
    weight = nn.Parameter(torch.randn(100 if effort.tiny else 1_000, 100))
    weight.grad = torch.randn_like(weight)
    optimizer = make_optimizer()([weight])
    optimizer.step()
    n_bytes = sum(field.nbytes for field in optimizer.state[weight].values())
    return Measured([n_bytes / weight.numel()], "Adam: 8 bytes")


def make_gpt_step(make: MakeOptimizer, batch: int) -> Callable[[], None]:
    """Forward, backward and update of a GPT-2 of width 64 and four layers."""
    torch.manual_seed(0)
    network = GPT2(64, 4)
    characters = torch.randint(N_CHARACTERS, (batch, WINDOW + 1))
    optimizer = make(network.parameters())

    def step() -> None:
        optimizer.zero_grad()
        logits = network(characters[:, :-1])
        F.cross_entropy(logits.flatten(0, 1), characters[:, 1:].flatten()).backward()
        optimizer.step()

    return step


def _measure_training(
    make_training: Callable[..., Callable[[], None]], batch: int, effort: Effort
) -> Measured:
    """On one thread."""
    batch = 2 if effort.tiny else batch
    n_steps = 1 if effort.tiny else 10
    with _one_thread():
        own, others = measure_in_turn(
            effort.rounds,
            partial(_repeat, make_training(make_optimizer(), batch), n_steps),
            partial(_repeat, make_training(torch.optim.AdamW, batch), n_steps),
        )
    text = f"with AdamW: {statistics.median(others) / n_steps * 1e3:.1f} ms"
    return Measured(divide(own, others), text)


@contextmanager
def _without_kernels() -> Iterator[None]:
    before = os.environ.get("HYPERADAM_KERNEL")
    os.environ["HYPERADAM_KERNEL"] = "off"
    try:
        yield
    finally:
        del os.environ["HYPERADAM_KERNEL"]
        if before is not None:
            os.environ["HYPERADAM_KERNEL"] = before


def make_update(n_steps: int) -> Callable[[], Tensor]:
    """An update's gradient of second order, of a chunk of three learners 49-16-10."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1_000, 49, generator=generator)
    data = TensorData("images", images, torch.randint(10, (1_000,), generator=generator))
    indices = [(learner,) for learner in range(3)]
    optimizee = Supervised(MLP((49, 16, 10), "relu"), data, 0, "benchmarks", indices, 64)
    theta = make_tensor_theta()
    state = begin_episode(theta.rule, optimizee)
    fixed: dict[str, Any] = {"n_steps": n_steps, "rate": RATE, "order": 2}

    def update() -> Tensor:
        arguments = (theta.rule, theta.vector, optimizee, state, Objective(meta_loss="log"))
        return differentiate_learners(*arguments, **fixed).gradient

    return update


def _measure_update(effort: Effort) -> Measured:
    update = make_update(2 if effort.tiny else 100)

    def update_plainly() -> Tensor:
        with _without_kernels():
            return update()

    with _one_thread():
        plain, fused = measure_in_turn(effort.rounds, update_plainly, update)
    return Measured(divide(plain, fused), f"compiled: {statistics.median(fused) * 1e3:.0f} ms")


ROWS = [
    *(
        Row(
            name=f"step-tensor-{p:.0e}".replace("+0", ""),
            what=f"step of hyperadam-tensor, p = {p:.0e}, one thread".replace("+0", ""),
            compared_with="fused torch.optim.Adam",
            at_least=4.0,
            aim=1.6,
            measure=partial(_measure_step, p, None),
        )
        for p in SIZES
    ),
    Row(
        name="step-tensor-bf16",
        what="the same with its state in bfloat16, p = 1e6",
        compared_with="fused torch.optim.Adam",
        measure=partial(_measure_step, 1_000_000, torch.bfloat16),
    ),
    Row(
        name="state-tensor",
        what="state of hyperadam-tensor",
        compared_with="bytes a coordinate",
        at_least=20.1,
        aim=20.1,
        measure=_measure_state,
    ),
    Row(
        name="cnn-tensor",
        what="training step of a small CNN with hyperadam-tensor",
        compared_with="with torch.optim.AdamW",
        measure=partial(_measure_training, make_cnn_step, 128),
    ),
    Row(
        name="gpt-tensor",
        what="training step of a small GPT-2 with hyperadam-tensor",
        compared_with="with torch.optim.AdamW",
        measure=partial(_measure_training, make_gpt_step, 128),
    ),
    Row(
        name="update-tensor",
        what="update of second order, three learners 49-16-10",
        compared_with="with the plain rule (speedup)",
        better="above",
        measure=_measure_update,
    ),
]
