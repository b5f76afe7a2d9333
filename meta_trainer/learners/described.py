"""Modules from typed blocks (`meta_trainer.specs.blocks`): a network that a spec describes.

Data is an image (channels, height, width), a sequence (length, width) or a vector (width,). Each
block is told the shape of what it takes, and tells that of what it gives; a last dense layer gives
the classes, or the numbers to predict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.datasets.catalog import Targets
from meta_trainer.learners.module import ModuleLearner
from meta_trainer.specs.blocks import (
    AttentionBlock,
    ConvBlock,
    LinearBlock,
    NormBlock,
    RecurrentBlock,
    ResidualBlock,
)
from meta_trainer.specs.problems import FieldProblem

MAX_COORDINATES: Final = 2_000_000
"""Of a described network: a job runs many of them side by side."""
Shape = tuple[int, ...]
"""(channels, height, width), (length, width) or (width,), without the batch."""

_ACTIVATIONS: Final[dict[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "none": nn.Identity,
}
_CELLS: Final[dict[str, Callable[..., nn.Module]]] = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


def described_network(
    blocks: Sequence[Any], shape: Shape, n_outputs: int, targets: Targets = "labels"
) -> ModuleLearner:
    """A network from blocks, with the mean cross-entropy of labels, or the mean squared error of
    numbers.

    Args:
        shape: of an example: an image, or a vector.
        n_outputs: classes, or numbers to predict.

    Raises:
        FieldProblem: blaming `blocks`: they do not fit together, or are too large.
    """
    make = partial(DescribedNetwork, tuple(blocks), shape, n_outputs)
    loss = F.cross_entropy if targets == "labels" else F.mse_loss
    learner = ModuleLearner(make, loss, together=False)
    if learner.n_coordinates > MAX_COORDINATES:
        raise FieldProblem(
            "blocks",
            f"blocks must have at most {MAX_COORDINATES:,} weights in all, "
            f"got {learner.n_coordinates:,}",
        )
    return learner


class DescribedNetwork(nn.Module):
    """The blocks, then a dense layer to the outputs."""

    def __init__(self, blocks: tuple[Any, ...], shape: Shape, n_outputs: int) -> None:
        super().__init__()
        self._shape = shape
        modules, last_shape = _build_all(blocks, shape, "blocks")
        self.blocks = nn.Sequential(*modules)
        self.head = nn.Linear(math.prod(last_shape), n_outputs)

    def forward(self, examples: Tensor) -> Tensor:
        x = self.blocks(examples.view(-1, *self._shape))
        outputs: Tensor = self.head(x.flatten(1))
        return outputs


def _build_all(blocks: Sequence[Any], shape: Shape, path: str) -> tuple[list[nn.Module], Shape]:
    """The modules of blocks, and the shape of what the last one gives."""
    modules = []
    for index, block in enumerate(blocks):
        module, shape = _build(block, shape, f"{path}.{index}")
        modules.append(module)
    return modules, shape


def _build(block: Any, shape: Shape, path: str) -> tuple[nn.Module, Shape]:
    match block:
        case LinearBlock():
            return _build_linear(block, shape)
        case ConvBlock():
            return _build_conv(block, shape, path)
        case NormBlock():
            return _build_norm(block, shape, path)
        case AttentionBlock():
            return _build_attention(block, shape, path)
        case RecurrentBlock():
            return _build_recurrent(block, shape)
        case ResidualBlock():
            return _build_residual(block, shape, path)
        case _:
            return _Pool(), _drop_places(shape)


def _build_linear(block: LinearBlock, shape: Shape) -> tuple[nn.Module, Shape]:
    is_image = len(shape) == 3
    n_inputs = math.prod(shape) if is_image else shape[-1]
    layers: list[nn.Module] = [nn.Flatten()] if is_image else []
    layers += [nn.Linear(n_inputs, block.width, bias=block.bias), _ACTIVATIONS[block.activation]()]
    rest = () if is_image else shape[:-1]
    return nn.Sequential(*layers), (*rest, block.width)


def _build_conv(block: ConvBlock, shape: Shape, path: str) -> tuple[nn.Module, Shape]:
    if len(shape) != 3:
        raise FieldProblem(path, f"{path} is a conv, which takes an image; before it there is none")
    channels, height, width = shape
    padding = block.kernel // 2
    layer = nn.Conv2d(channels, block.channels, block.kernel, block.stride, padding)
    module = nn.Sequential(layer, _ACTIVATIONS[block.activation]())
    return module, (block.channels, -(-height // block.stride), -(-width // block.stride))


def _build_norm(block: NormBlock, shape: Shape, path: str) -> tuple[nn.Module, Shape]:
    if len(shape) != 3:
        if block.groups != 1:
            raise FieldProblem(f"{path}.groups", f"{path}.groups must be 1 where there is no image")
        return nn.LayerNorm(shape[-1]), shape
    if shape[0] % block.groups:
        raise FieldProblem(
            f"{path}.groups",
            f"{path}.groups must divide the {shape[0]} channels, got {block.groups}",
        )
    return nn.GroupNorm(block.groups, shape[0]), shape


def _build_attention(block: AttentionBlock, shape: Shape, path: str) -> tuple[nn.Module, Shape]:
    length, width = _as_sequence(shape)
    if width % block.heads:
        raise FieldProblem(
            f"{path}.heads", f"{path}.heads must divide the width of {width}, got {block.heads}"
        )
    return _Attention(width, block.heads, block.causal), (length, width)


def _build_recurrent(block: RecurrentBlock, shape: Shape) -> tuple[nn.Module, Shape]:
    length, width = _as_sequence(shape)
    return _Recurrent(_CELLS[block.cell](width, block.width, batch_first=True)), (
        length,
        block.width,
    )


def _build_residual(block: ResidualBlock, shape: Shape, path: str) -> tuple[nn.Module, Shape]:
    modules, inner_shape = _build_all(block.blocks, shape, f"{path}.blocks")
    if inner_shape != shape:
        raise FieldProblem(
            path,
            f"{path} must give the shape that it takes, {list(shape)}, got {list(inner_shape)}",
        )
    return _Residual(nn.Sequential(*modules)), shape


def _as_sequence(shape: Shape) -> tuple[int, int]:
    """(length, width): rows of an image, or one place of a vector."""
    if len(shape) == 3:
        channels, height, width = shape
        return height, channels * width
    if len(shape) == 2:
        return shape[0], shape[1]
    return 1, shape[0]


def _drop_places(shape: Shape) -> Shape:
    return (shape[0],) if len(shape) == 3 else (shape[-1],)


def _read_sequence(x: Tensor) -> Tensor:
    """(batch, length, width) of images, sequences or vectors."""
    if x.dim() == 4:
        return x.transpose(1, 2).flatten(2)
    return x if x.dim() == 3 else x[:, None]


class _Pool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 4:
            return x.mean((2, 3))
        return x.mean(1) if x.dim() == 3 else x


class _Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        given: Tensor = self.inner(x)
        return x + given


class _Recurrent(nn.Module):
    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.cell(_read_sequence(x))[0]
        return states


class _Attention(nn.Module):
    def __init__(self, width: int, n_heads: int, causal: bool) -> None:
        super().__init__()
        self._n_heads = n_heads
        self._causal = causal
        self.project = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = _read_sequence(x)
        batch, length, width = x.shape
        parts = self.project(x).view(batch, length, 3, self._n_heads, width // self._n_heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        scores = queries @ keys.transpose(-1, -2) / math.sqrt(width // self._n_heads)
        if self._causal:
            hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
            scores = scores.masked_fill(hidden, -math.inf)
        mixed = (scores.softmax(-1) @ values).transpose(1, 2).flatten(2)
        given: Tensor = x + self.join(mixed)
        return given
