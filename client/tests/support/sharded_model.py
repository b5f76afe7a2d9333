"""A model whose parameters may be spread over processes, and its run in one.

A run is five steps with gradients that are drawn for whole parameters, so that all ways to spread
them see the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from every_optimizer import (
    Make,
    make_adamw,
    make_network_theta,
    make_rnnprop,
    make_small_theta,
    make_sparse_theta,
    make_tensor_theta,
)
from hyperadam import HyperAdam, Theta
from small_run import make_theta
from torch import Tensor, nn
from torch.optim import Optimizer

SHAPES = ((5, 3), (5,), (1, 6), (1,), (7, 4), (2, 3, 3, 3), (3, 4, 16))
"""Matrices and vectors of odd sizes, some of them too small for two; a kernel, a stack."""


def rate(theta: Theta) -> Theta:
    """With shares by shape, a schedule and a decay."""
    fields = {"base_fan_in": 4, "least_fan_in": 2, "base_places": 3, "warmup_steps": 3}
    return Theta(theta.rule, theta.tensors, replace(theta.rate, weight_decay=0.5, **fields))


def make_rms(parameters: Any, **options: Any) -> Optimizer:
    return HyperAdam(parameters, rate(make_small_theta()), **options)


def make_euclidean(parameters: Any, **options: Any) -> Optimizer:
    theta = make_theta(normalization="euclidean", squash="asinh", skip_zero_gradients=True)
    return HyperAdam(parameters, rate(theta), **options)


def make_rated_tensor(parameters: Any, **options: Any) -> Optimizer:
    return HyperAdam(parameters, rate(make_tensor_theta()), **options)


def make_network(parameters: Any, **options: Any) -> Optimizer:
    return HyperAdam(parameters, rate(make_network_theta()), **options)


def make_sparse(parameters: Any, **options: Any) -> Optimizer:
    return HyperAdam(parameters, rate(make_sparse_theta()), **options)


MAKES: dict[str, Make] = {
    "adamw": make_adamw,
    "rms": make_rms,
    "euclidean": make_euclidean,
    "tensor": make_rated_tensor,
    "network": make_network,
    "sparse": make_sparse,
    "rnnprop": make_rnnprop,
}


class Model(nn.Module):
    """Parameters of `SHAPES`."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        weights = [torch.randn(shape, generator=generator) for shape in SHAPES]
        self.weights = nn.ParameterList(nn.Parameter(weight) for weight in weights)


def draw_gradient(index: int, step: int) -> Tensor:
    """Of a whole parameter. The row of a matrix that step 0 did not see has none then; later, of
    another matrix more of the whole has none than of its last rows."""
    generator = torch.Generator().manual_seed(100 * step + index)
    gradient = torch.randn(SHAPES[index], generator=generator)
    if index == 4 and step < 2:
        gradient[5] = 0.0
    if index == 0 and step > 1:
        gradient[1:4] = 0.0
    return gradient


def set_gradients(model: nn.Module, step: int) -> None:
    for index, parameter in enumerate(model.parameters()):
        gradient = draw_gradient(index, step)
        if hasattr(parameter, "device_mesh"):
            from torch.distributed.tensor import distribute_tensor

            mesh = parameter.device_mesh
            places = parameter.placements
            gradient = distribute_tensor(gradient, mesh, places, src_data_rank=None)
        parameter.grad = gradient


def train(model: nn.Module, optimizer: Any, steps: range) -> None:
    for step in steps:
        set_gradients(model, step)
        optimizer.step()


def flatten(model: nn.Module) -> Tensor:
    """All weights, whole."""
    wholes = []
    for parameter in model.parameters():
        weight: Any = parameter.detach()
        whole = weight.full_tensor() if hasattr(weight, "device_mesh") else weight
        wholes.append(whole.reshape(-1))
    return torch.cat(wholes)


def run_alone(make: Make, **options: Any) -> Tensor:
    """The same in one process."""
    model = Model()
    train(model, make(model.parameters(), **options), range(5))
    return flatten(model)


def run_zero_of_one_alone() -> Tensor:
    """What `sharded_runs.run_zero_of_one` reaches in one process."""
    model = Model()
    first, *_, last = model.parameters()
    groups: Any = [{"params": [first]}, {"params": [last], "lr": 0.02}]
    optimizer = make_rms(groups)
    train(model, optimizer, range(3))
    last.grad = None
    optimizer.step()
    return flatten(model)


def run_loop(spread: Callable[[nn.Module], nn.Module] = lambda model: model) -> Tensor:
    """Weights after a loop with a loss, its gradient and clipping; every process sees the same."""
    torch.manual_seed(0)
    model = spread(nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 1)))
    inputs = torch.randn(16, 6)
    optimizer = make_rms(model.parameters())
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), inputs[:, :1]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
    return flatten(model)
