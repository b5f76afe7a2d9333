"""Derivatives of multilayer perceptrons with softmax cross-entropy, written out: the gradient, and
products with the Hessian, of L networks side by side.

With x_0 the inputs, layers z_l = x_{l−1} W_l + b_l, x_l = f(z_l), p = softmax(z_n), one-hot targets
y and B examples,

    δ_n = (p − y) / B        δ_l = f'(z_l) ⊙ δ_{l+1} W_{l+1}ᵀ
    ∂/∂W_l = x_{l−1}ᵀ δ_l    ∂/∂b_l = 1ᵀ δ_l

and their derivatives along v (the operator R{·} of Pearlmutter, 1994, V_l being v's part for W_l):

    R z_l = R x_{l−1} W_l + x_{l−1} V_l + v_l
    R x_l = f'(z_l) ⊙ R z_l
    R ∂/∂W_l = R x_{l−1}ᵀ δ_l + x_{l−1}ᵀ R δ_l
    R δ_n = p ⊙ (R z_n − ⟨p, R z_n⟩) / B
    R δ_l = f'(z_l) ⊙ (R δ_{l+1} W_{l+1}ᵀ + δ_{l+1} V_{l+1}ᵀ) + f''(z_l) ⊙ R z_l ⊙ δ_{l+1} W_{l+1}ᵀ

Small networks take a few microseconds an operation, and autograd as much again beside each. The
gradient is autograd's bit for bit: the same operations in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_aten: Final = torch.ops.aten


class Layer(NamedTuple):
    """One linear layer of L networks."""

    weight: Tensor
    """Shape (L, n_in, n_out)."""
    bias: Tensor
    """Shape (L, 1, n_out)."""


class Activation(NamedTuple):
    """A function y = f(z) between layers, and its derivatives."""

    function: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]
    """(δ, z, y) to f'(z) ⊙ δ, as autograd has it."""
    slope: Callable[[Tensor], Tensor]
    """y to f'(z)."""
    curvature: Callable[[Tensor], Tensor] | None
    """y to f''(z); None: 0."""


ACTIVATIONS: Final[dict[str, Activation]] = {
    "sigmoid": Activation(
        torch.sigmoid,
        lambda delta, _, y: _aten.sigmoid_backward(delta, y),
        lambda y: y * (1 - y),
        lambda y: y * (1 - y) * (1 - 2 * y),
    ),
    "relu": Activation(
        torch.relu,
        lambda delta, _, y: _aten.threshold_backward(delta, y, 0),
        lambda y: (y > 0).to(y.dtype),
        None,
    ),
    "elu": Activation(
        F.elu,
        lambda delta, z, _: _aten.elu_backward(delta, 1, 1, 1, False, z),
        lambda y: torch.where(y > 0, 1.0, y + 1),
        lambda y: torch.where(y > 0, 0.0, y + 1),
    ),
    "tanh": Activation(
        torch.tanh,
        lambda delta, _, y: _aten.tanh_backward(delta, y),
        lambda y: 1 - y * y,
        lambda y: -2 * y * (1 - y * y),
    ),
}


class ForwardPass(NamedTuple):
    """What a pass forward leaves."""

    sums: list[Tensor]
    """z_1 … z_n, shapes (L, batch, width)."""
    outputs: list[Tensor]
    """x_0 … x_{n−1}, shapes (L, batch, width)."""
    log_p: Tensor
    """log softmax(z_n), shape (L · batch, classes)."""
    losses: Tensor
    """Of each learner, shape (L,)."""


class BackwardPass(NamedTuple):
    """What a pass backward leaves."""

    gradients: Tensor
    """∇L of each learner, shape (L, p)."""
    deltas: list[Tensor]
    """δ_1 … δ_n, shapes (L, batch, width)."""
    passed: list[Tensor]
    """δ_{l+1} W_{l+1}ᵀ of l = 1 … n − 1, shapes (L, batch, width)."""


def run_forward(
    layers: Sequence[Layer], activation: Activation, inputs: Tensor, targets: Tensor
) -> ForwardPass:
    """Inputs (L, batch, n_features), targets (L, batch)."""
    outputs = [inputs]
    sums: list[Tensor] = []
    for number, layer in enumerate(layers):
        if number:
            outputs.append(activation.function(sums[-1]))
        sums.append(torch.baddbmm(layer.bias, outputs[-1], layer.weight))
    log_p = torch.log_softmax(sums[-1].flatten(0, 1), 1)
    losses = F.nll_loss(log_p, targets.flatten(), reduction="none")
    return ForwardPass(sums, outputs, log_p, losses.view(targets.shape).mean(1))


def run_backward(
    layers: Sequence[Layer], activation: Activation, forward: ForwardPass, targets: Tensor
) -> BackwardPass:
    """The gradient, and what it is made of."""
    deltas = [_start_back(forward, targets)]
    passed: list[Tensor] = []
    parts: list[Tensor] = []
    for number in reversed(range(len(layers))):
        x = forward.outputs[number]
        delta = deltas[-1]
        parts += [delta.sum(1), torch.bmm(x.mT, delta).flatten(1)]
        if number:
            passed.append(torch.bmm(delta, layers[number].weight.mT))
            deltas.append(activation.backward(passed[-1], forward.sums[number - 1], x))
    return BackwardPass(torch.cat(parts[::-1], 1), deltas[::-1], passed[::-1])


def _start_back(forward: ForwardPass, targets: Tensor) -> Tensor:
    """δ_n, shape (L, batch, classes)."""
    log_p = forward.log_p
    shares = torch.zeros_like(log_p)
    shares.scatter_(1, targets.reshape(-1, 1), -1 / targets.shape[1])
    delta: Tensor = _aten._log_softmax_backward_data(shares, log_p, 1, log_p.dtype)
    return delta.view(*targets.shape, -1)


def multiply_hessians(
    layers: Sequence[Layer],
    directions: Sequence[Layer],
    activation: Activation,
    forward: ForwardPass,
    backward: BackwardPass,
) -> Tensor:
    """H v of each learner, shape (L, p); `directions` are v in the places of `layers`."""
    moved_outputs: list[Tensor | None] = [None]
    moved_sums: list[Tensor] = []
    for number, (layer, direction) in enumerate(zip(layers, directions, strict=True)):
        moved = torch.baddbmm(direction.bias, forward.outputs[number], direction.weight)
        moved_x = moved_outputs[-1]
        if moved_x is not None:
            moved = torch.baddbmm(moved, moved_x, layer.weight)
        moved_sums.append(moved)
        if number + 1 < len(layers):
            moved_outputs.append(moved * activation.slope(forward.outputs[number + 1]))

    moved_delta = _move_start(forward, moved_sums[-1])
    parts: list[Tensor] = []
    for number in reversed(range(len(layers))):
        x = forward.outputs[number]
        product = torch.bmm(x.mT, moved_delta)
        moved_x = moved_outputs[number]
        if moved_x is not None:
            product = torch.baddbmm(product, moved_x.mT, backward.deltas[number])
        parts += [moved_delta.sum(1), product.flatten(1)]
        if not number:
            break
        moved_passed = torch.bmm(moved_delta, layers[number].weight.mT)
        own_weight = directions[number].weight
        moved_passed = torch.baddbmm(moved_passed, backward.deltas[number], own_weight.mT)
        moved_delta = moved_passed * activation.slope(x)
        if activation.curvature is not None:
            bent = activation.curvature(x) * backward.passed[number - 1]
            moved_delta = torch.addcmul(moved_delta, bent, moved_sums[number - 1])
    return torch.cat(parts[::-1], 1)


def _move_start(forward: ForwardPass, moved_logits: Tensor) -> Tensor:
    """R δ_n, shape (L, batch, classes)."""
    p = forward.log_p.exp().view_as(moved_logits)
    weighted = p * moved_logits
    mean = weighted.sum(-1, keepdim=True)
    moved = torch.addcmul(weighted, p, mean, value=-1)
    return moved / moved_logits.shape[1]
