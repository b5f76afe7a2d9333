"""Layers of many learners at once. The first dimension of every tensor is the learner's."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from meta_trainer.learners.batched.base import Parameter, Parameters, Tensors

KERNEL_SIZE = 3
N_GROUPS = 4
N_HEADS = 4


def describe_linear(name: str, n_in: int, n_out: int) -> dict[str, Parameter]:
    """Weight and bias."""
    return {f"{name}.weight": Parameter((n_out, n_in)), f"{name}.bias": Parameter((n_out,))}


def linear(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    """Shape (L, …, n_out) for x (L, …, n_in)."""
    weight = tensors[f"{name}.weight"]
    bias = tensors[f"{name}.bias"]
    rows = x.reshape(len(x), -1, x.shape[-1])
    y = torch.baddbmm(bias[:, None], rows, weight.mT)
    return y.view(*x.shape[:-1], -1)


def describe_convolution(name: str, n_in: int, n_out: int) -> dict[str, Parameter]:
    """Weight and bias of a 3 × 3 kernel."""
    weight = Parameter((n_out, n_in, KERNEL_SIZE, KERNEL_SIZE))
    return {f"{name}.weight": weight, f"{name}.bias": Parameter((n_out,))}


def convolve(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    """A convolution 3 × 3 of stride 2, with an edge of zeros, as one product of all places.

    Args:
        x: shape (L, batch, channels, height, width).

    Returns:
        Shape (L, batch, n_out, ⌈height / 2⌉, ⌈width / 2⌉).
    """
    n_learners, batch, _, height, width = x.shape
    places = ((height + 1) // 2, (width + 1) // 2)
    weight = tensors[f"{name}.weight"].flatten(2)
    bias = tensors[f"{name}.bias"]

    columns = F.unfold(x.flatten(0, 1), KERNEL_SIZE, padding=1, stride=2)
    rows = columns.mT.reshape(n_learners, -1, weight.shape[-1])
    y = torch.baddbmm(bias[:, None], rows, weight.mT)
    by_channel = y.view(n_learners, batch, math.prod(places), -1).mT
    return by_channel.reshape(n_learners, batch, -1, *places)


def describe_norm(name: str, n: int) -> dict[str, Parameter]:
    """Gain, which starts at 1, and offset."""
    return {f"{name}.weight": Parameter((n,), "one"), f"{name}.bias": Parameter((n,), "zero")}


def normalize_layer(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    """Layer norm over the last dimension."""
    y = F.layer_norm(x, x.shape[-1:])
    shape = (len(x), *[1] * (x.dim() - 2), -1)
    return y * tensors[f"{name}.weight"].view(shape) + tensors[f"{name}.bias"].view(shape)


def normalize_groups(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    """Group norm of the channels of x (L, batch, channels, height, width).

    It is layer norm over each group, whose second derivative does not go image by image.
    """
    groups = x.reshape(*x.shape[:2], N_GROUPS, -1)
    y = F.layer_norm(groups, groups.shape[-1:]).view(x.shape)
    shape = (len(x), 1, -1, 1, 1)
    return y * tensors[f"{name}.weight"].view(shape) + tensors[f"{name}.bias"].view(shape)


def describe_transformer(width: int, depth: int) -> Parameters:
    """Layers of a transformer, with a norm before each of their parts and one at the end."""
    parameters: dict[str, Parameter] = {}
    for i in range(depth):
        parameters |= describe_norm(f"layer{i}.attention.norm", width)
        parameters |= _describe_attention(f"layer{i}.attention", width)
        parameters |= describe_perceptron(f"layer{i}.mlp", width)
    return {**parameters, **describe_norm("norm", width)}


def describe_encoder(width: int, depth: int) -> Parameters:
    """Layers of a transformer with a norm behind each of their parts, and one before all."""
    parameters: dict[str, Parameter] = {**describe_norm("norm", width)}
    for i in range(depth):
        parameters |= _describe_attention(f"layer{i}.attention", width)
        parameters |= describe_norm(f"layer{i}.attention.norm", width)
        parameters |= _describe_inner(f"layer{i}.mlp", width)
        parameters |= describe_norm(f"layer{i}.mlp.norm", width)
    return parameters


def encode(x: Tensor, tensors: Tensors, depth: int) -> Tensor:
    """All layers of `describe_encoder`, for x (L, batch, places, width): y = norm(x + part(x))."""
    x = normalize_layer(x, tensors, "norm")
    for i in range(depth):
        x = x + _attend(x, tensors, f"layer{i}.attention", causal=False)
        x = normalize_layer(x, tensors, f"layer{i}.attention.norm")
        x = x + _run_inner(x, tensors, f"layer{i}.mlp")
        x = normalize_layer(x, tensors, f"layer{i}.mlp.norm")
    return x


def transform(x: Tensor, tensors: Tensors, depth: int, *, causal: bool = False) -> Tensor:
    """All layers, for x (L, batch, places, width)."""
    for i in range(depth):
        normed = normalize_layer(x, tensors, f"layer{i}.attention.norm")
        x = x + _attend(normed, tensors, f"layer{i}.attention", causal=causal)
        x = x + run_perceptron(x, tensors, f"layer{i}.mlp")
    return normalize_layer(x, tensors, "norm")


def describe_perceptron(name: str, width: int) -> Parameters:
    """The part of a layer that sees each place by itself: a norm, and a perceptron of twice the
    width."""
    return {**describe_norm(f"{name}.norm", width), **_describe_inner(name, width)}


def run_perceptron(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    """What it adds to x (L, batch, places, width)."""
    return _run_inner(normalize_layer(x, tensors, f"{name}.norm"), tensors, name)


def _describe_inner(name: str, width: int) -> Parameters:
    return {
        **describe_linear(f"{name}.in", width, 2 * width),
        **describe_linear(f"{name}.out", 2 * width, width),
    }


def _run_inner(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    return linear(F.gelu(linear(x, tensors, f"{name}.in")), tensors, f"{name}.out")


def _describe_attention(name: str, width: int) -> Parameters:
    return {
        **describe_linear(f"{name}.in", width, 3 * width),
        **describe_linear(f"{name}.out", width, width),
    }


def _attend(x: Tensor, tensors: Tensors, name: str, *, causal: bool) -> Tensor:
    """Attention of N_HEADS heads over x (L, batch, places, width), by plain products: they have
    second derivatives."""
    projected = linear(x, tensors, f"{name}.in")
    heads = projected.unflatten(-1, (3, N_HEADS, -1)).transpose(2, 4)
    queries, keys, values = heads.unbind(3)  # each: (L, batch, heads, places, width / heads)

    scores = queries @ keys.mT / math.sqrt(queries.shape[-1])
    if causal:
        n_places = x.shape[2]
        is_later = torch.ones(n_places, n_places, dtype=torch.bool).triu(1)
        scores = scores.masked_fill(is_later, -torch.inf)
    mixed = scores.softmax(-1) @ values
    return linear(mixed.transpose(2, 3).flatten(3), tensors, f"{name}.out")


def describe_recurrent(n_gates: int, n_in: int, hidden: int) -> Parameters:
    """Weights of inputs and of states, with a bias each, as `nn.GRU` and `nn.LSTM` have them."""
    return {
        **describe_linear("inputs", n_in, n_gates * hidden),
        **describe_linear("states", hidden, n_gates * hidden),
    }


def run_gru(sequence: Tensor, tensors: Tensors) -> Tensor:
    """The last state (L, batch, hidden) of a GRU (Cho et al., 2014) over (L, batch, length, n_in),
    by torch's equations."""
    by_input = linear(sequence, tensors, "inputs")
    hidden = by_input.shape[-1] // 3
    widths = (2 * hidden, hidden)
    weight = tensors["states.weight"].mT
    bias = tensors["states.bias"][:, None]

    state = by_input.new_zeros(*by_input.shape[:2], hidden)
    gates_by_input, new_by_input = (part.unbind(2) for part in by_input.split(widths, -1))
    for gates, new in zip(gates_by_input, new_by_input, strict=True):
        gates_by_state, new_by_state = torch.baddbmm(bias, state, weight).split(widths, -1)
        reset, update = (gates + gates_by_state).sigmoid().chunk(2, dim=-1)
        candidate = torch.tanh(new + reset * new_by_state)
        state = candidate + update * (state - candidate)
    return state


def run_lstm(sequence: Tensor, tensors: Tensors) -> Tensor:
    """The last hidden state (L, batch, hidden) of an LSTM (Hochreiter and Schmidhuber, 1997) over
    (L, batch, length, n_in); gates stand in torch's order."""
    by_input = linear(sequence, tensors, "inputs")
    hidden = by_input.shape[-1] // 4
    weight = tensors["states.weight"].mT
    bias = tensors["states.bias"][:, None]

    state = by_input.new_zeros(*by_input.shape[:2], hidden)
    memory = state
    for part in by_input.unbind(2):
        gates = part + torch.baddbmm(bias, state, weight)
        enter, keep, new, leave = gates.chunk(4, dim=-1)
        memory = keep.sigmoid() * memory + enter.sigmoid() * new.tanh()
        state = leave.sigmoid() * memory.tanh()
    return state
