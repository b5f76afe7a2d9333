"""Networks that a spec describes block by block: typed, bounded, and never code.

What a block takes follows from the block before it; a network that does not fit together is refused
where it is described (`meta_trainer.learners.described`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meta_trainer.specs.base import Activation, Spec

MAX_BLOCKS = 32
BlockWidth = Annotated[int, Field(ge=1, le=1024)]
AfterBlock = Activation | Literal["gelu", "none"]


class LinearBlock(Spec):
    """A dense layer; of images, over all that is left of them, of sequences at each place."""

    kind: Literal["linear"] = "linear"
    width: BlockWidth = 32
    """Numbers that it gives."""
    activation: AfterBlock = "relu"
    """Function after it."""
    bias: bool = True
    """Whether a bias is added."""


class ConvBlock(Spec):
    """A convolution of an image, which keeps its size but for the stride."""

    kind: Literal["conv"] = "conv"
    channels: Annotated[int, Field(ge=1, le=256)] = 16
    """Channels that it gives."""
    kernel: Literal[1, 3, 5, 7] = 3
    """Places of the kernel in height and width."""
    stride: Annotated[int, Field(ge=1, le=4)] = 1
    """Places between two applications; 2 halves the image."""
    activation: AfterBlock = "relu"
    """Function after it."""


class NormBlock(Spec):
    """A norm whose scale and shift are learned: of a layer's numbers, or of an image's channels in
    groups."""

    kind: Literal["norm"] = "norm"
    groups: Annotated[int, Field(ge=1, le=64)] = 1
    """Of an image's channels, which they divide; of other data 1."""


class AttentionBlock(Spec):
    """Attention of a sequence's places to each other, beside a shortcut. An image is read row by
    row."""

    kind: Literal["attention"] = "attention"
    heads: Annotated[int, Field(ge=1, le=16)] = 2
    """They divide the width."""
    causal: bool = False
    """Whether a place sees only those before it."""


class RecurrentBlock(Spec):
    """A recurrent layer over a sequence. An image is read row by row."""

    kind: Literal["recurrent"] = "recurrent"
    cell: Literal["gru", "lstm", "rnn"] = "gru"
    """What carries the state."""
    width: Annotated[int, Field(ge=1, le=256)] = 32
    """Numbers in the state."""


class PoolBlock(Spec):
    """The mean over all places of an image or a sequence."""

    kind: Literal["pool"] = "pool"


SimpleBlock = Annotated[
    LinearBlock | ConvBlock | NormBlock | AttentionBlock | RecurrentBlock | PoolBlock,
    Field(discriminator="kind"),
]


class ResidualBlock(Spec):
    """Blocks beside a shortcut: what they give is added to what they take, so both have one
    shape."""

    kind: Literal["residual"] = "residual"
    blocks: Annotated[tuple[SimpleBlock, ...], Field(min_length=1, max_length=8)] = Field(
        examples=[[{"kind": "norm"}, {"kind": "linear", "width": 32}]]
    )
    """One after the other; none of them is residual itself."""


Block = Annotated[
    LinearBlock
    | ConvBlock
    | NormBlock
    | AttentionBlock
    | RecurrentBlock
    | PoolBlock
    | ResidualBlock,
    Field(discriminator="kind"),
]
