"""Networks of today, of any size: how each is built from its layers. Images come as flat as
`Dataset` draws them; `width` is how many numbers a network keeps for each place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from meta_trainer.datasets.characters import NO_TARGET
from meta_trainer.learners.batched.base import (
    BatchedNetwork,
    Parameter,
    Parameters,
    Start,
    Tensors,
)
from meta_trainer.learners.batched.layers import (
    convolve,
    describe_convolution,
    describe_encoder,
    describe_linear,
    describe_norm,
    describe_perceptron,
    describe_recurrent,
    describe_transformer,
    encode,
    linear,
    normalize_groups,
    normalize_layer,
    run_gru,
    run_lstm,
    run_perceptron,
    transform,
)
from meta_trainer.learners.batched.sizes import Sizes

Forward = Callable[[Tensors, Tensor], Tensor]
"""From parameters and inputs (L, batch, …) to outputs (L, batch, …)."""
ExampleLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From outputs, inputs and targets to the loss of each example, shape (L, batch)."""


class _Composed(BatchedNetwork):
    """Parameters, what is done with them, and a loss."""

    def __init__(
        self, parameters: Parameters, forward: Forward, loss: ExampleLoss, initialization: str
    ) -> None:
        super().__init__(parameters, initialization)
        self._forward = forward
        self._loss = loss

    def compute_outputs(self, tensors: Tensors, inputs: Tensor) -> Tensor:
        return self._forward(tensors, inputs)

    def compute_losses(self, outputs: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        return self._loss(outputs, inputs, targets)


def _build_cnn(sizes: Sizes) -> tuple[Parameters, Forward]:
    """Two convolutions of stride 2, and a linear layer on all places."""
    channels, height, width = sizes.image_shape
    n_places = ((height + 3) // 4) * ((width + 3) // 4)
    parameters = {
        **describe_convolution("first", channels, sizes.width),
        **describe_convolution("second", sizes.width, sizes.width),
        **describe_linear("head", n_places * sizes.width, sizes.n_outputs),
    }

    def forward(tensors: Tensors, inputs: Tensor) -> Tensor:
        x = sizes.activate(convolve(sizes.read_image(inputs), tensors, "first"))
        x = sizes.activate(convolve(x, tensors, "second"))
        return linear(x.flatten(2), tensors, "head")

    return parameters, forward


def _build_normed_cnn(sizes: Sizes) -> tuple[Parameters, Forward]:
    """Two convolutions of stride 2 with group norm (Wu and He, 2018), and a linear layer on the
    mean over places."""
    parameters = {
        **describe_convolution("first", sizes.image_shape[0], sizes.width),
        **describe_norm("first.norm", sizes.width),
        **describe_convolution("second", sizes.width, sizes.width),
        **describe_norm("second.norm", sizes.width),
        **describe_linear("head", sizes.width, sizes.n_outputs),
    }

    def forward(tensors: Tensors, inputs: Tensor) -> Tensor:
        x = convolve(sizes.read_image(inputs), tensors, "first")
        x = sizes.activate(normalize_groups(x, tensors, "first.norm"))
        x = convolve(x, tensors, "second")
        x = sizes.activate(normalize_groups(x, tensors, "second.norm"))
        return linear(x.mean((3, 4)), tensors, "head")

    return parameters, forward


def _build_gru(sizes: Sizes) -> tuple[Parameters, Forward]:
    """A GRU that reads an image row by row."""
    parameters = {
        **describe_recurrent(3, sizes.row_length, sizes.width),
        **describe_linear("head", sizes.width, sizes.n_outputs),
    }
    return parameters, lambda tensors, inputs: linear(
        run_gru(sizes.read_rows(inputs), tensors), tensors, "head"
    )


def _build_lstm(sizes: Sizes) -> tuple[Parameters, Forward]:
    """An LSTM that reads an image row by row."""
    parameters = {
        **describe_recurrent(4, sizes.row_length, sizes.width),
        **describe_linear("head", sizes.width, sizes.n_outputs),
    }
    return parameters, lambda tensors, inputs: linear(
        run_lstm(sizes.read_rows(inputs), tensors), tensors, "head"
    )


def _build_attention(sizes: Sizes) -> tuple[Parameters, Forward]:
    """Layers of a transformer over the rows of an image, with places as `nn.Parameter`s of three
    dimensions, as most write them."""
    n_places = sizes.image_shape[1]
    parameters = {
        **describe_linear("embed", sizes.row_length, sizes.width),
        "places": Parameter((1, n_places, sizes.width), "places"),
        **describe_transformer(sizes.width, sizes.depth),
        **describe_linear("head", sizes.width, sizes.n_outputs),
    }

    def forward(tensors: Tensors, inputs: Tensor) -> Tensor:
        x = linear(sizes.read_rows(inputs), tensors, "embed") + tensors["places"]
        return linear(transform(x, tensors, sizes.depth).mean(2), tensors, "head")

    return parameters, forward


def _build_mixer(sizes: Sizes) -> tuple[Parameters, Forward]:
    """Layers of a mixer (Tolstikhin et al., 2021) over the rows of an image: an MLP across places
    and one across numbers, both beside a shortcut."""
    n_places = sizes.image_shape[1]
    width = sizes.width
    parameters: dict[str, Parameter] = {**describe_linear("embed", sizes.row_length, width)}
    for i in range(sizes.depth):
        parameters |= describe_norm(f"layer{i}.places.norm", width)
        parameters |= describe_linear(f"layer{i}.places.in", n_places, 2 * n_places)
        parameters |= describe_linear(f"layer{i}.places.out", 2 * n_places, n_places)
        parameters |= describe_perceptron(f"layer{i}.mlp", width)
    parameters |= describe_linear("head", width, sizes.n_outputs)

    def forward(tensors: Tensors, inputs: Tensor) -> Tensor:
        x = linear(sizes.read_rows(inputs), tensors, "embed")
        for i in range(sizes.depth):
            normed = normalize_layer(x, tensors, f"layer{i}.places.norm")
            across = F.gelu(linear(normed.mT, tensors, f"layer{i}.places.in"))
            x = x + linear(across, tensors, f"layer{i}.places.out").mT
            x = x + run_perceptron(x, tensors, f"layer{i}.mlp")
        return linear(x.mean(2), tensors, "head")

    return parameters, forward


def _build_language(sizes: Sizes) -> tuple[Parameters, Forward]:
    """Causal layers of a transformer over symbols, whose embedding starts as N(0, 1)."""
    parameters = {
        **_describe_symbols(sizes, "unit"),
        **describe_transformer(sizes.width, sizes.depth),
        **describe_linear("head", sizes.width, sizes.n_outputs),
    }

    def forward(tensors: Tensors, symbols: Tensor) -> Tensor:
        x = transform(_embed(symbols, tensors), tensors, sizes.depth, causal=True)
        return linear(x, tensors, "head")

    return parameters, forward


def _build_tied_language(sizes: Sizes) -> tuple[Parameters, Forward]:
    """The same with its logits by the embedding itself, which starts as N(0, .02²), as GPT-2 has
    it (Radford et al., 2019)."""
    parameters = {
        **_describe_symbols(sizes, "places"),
        **describe_transformer(sizes.width, sizes.depth),
    }

    def forward(tensors: Tensors, symbols: Tensor) -> Tensor:
        x = transform(_embed(symbols, tensors), tensors, sizes.depth, causal=True)
        return (x.flatten(1, 2) @ tensors["embed"].mT).view(*symbols.shape, -1)

    return parameters, forward


def _build_masked_language(sizes: Sizes) -> tuple[Parameters, Forward]:
    """An encoder over symbols of which some are hidden, with its norms behind its parts (Devlin et
    al., 2019). Its embeddings have a row for a hidden symbol, and start as N(0, .02²)."""
    parameters = {
        **_describe_symbols(sizes, "places", n_more=1),
        **describe_encoder(sizes.width, sizes.depth),
        **describe_linear("head", sizes.width, sizes.n_outputs),
    }

    def forward(tensors: Tensors, symbols: Tensor) -> Tensor:
        return linear(encode(_embed(symbols, tensors), tensors, sizes.depth), tensors, "head")

    return parameters, forward


def _describe_symbols(sizes: Sizes, start: Start, n_more: int = 0) -> Parameters:
    """Embeddings of symbols, of some more that are only inputs, and of their places."""
    n_places = sizes.image_shape[1]
    return {
        "embed": Parameter((sizes.n_outputs + n_more, sizes.width), start),
        "places": Parameter((n_places, sizes.width), "places"),
    }


def _embed(symbols: Tensor, tensors: Tensors) -> Tensor:
    """Shape (L, batch, places, width) of symbols (L, batch, places)."""
    embedded = _look_up(symbols.flatten(1), tensors["embed"])
    return embedded.view(*symbols.shape, -1) + tensors["places"][:, None]


def _look_up(numbers: Tensor, rows: Tensor) -> Tensor:
    """The rows (L, m, width) of these numbers (L, m) out of (L, n, width), as a product: it has
    second derivatives."""
    one_hot = F.one_hot(numbers, rows.shape[1]).to(rows.dtype)
    return one_hot @ rows


def _build_recommender(sizes: Sizes) -> tuple[Parameters, Forward]:
    """Neural collaborative filtering (He et al., 2017): embeddings of a user and of an item, which
    start as N(0, 1), one after the other through a layer of 2 width. Most rows have no gradient at
    most steps."""
    n_each = sizes.n_features
    parameters = {
        "users": Parameter((n_each, sizes.width), "unit"),
        "items": Parameter((n_each, sizes.width), "unit"),
        **describe_linear("hidden", 2 * sizes.width, 2 * sizes.width),
        **describe_linear("head", 2 * sizes.width, sizes.n_outputs),
    }

    def forward(tensors: Tensors, pairs: Tensor) -> Tensor:
        users = _look_up(pairs[..., 0], tensors["users"])
        items = _look_up(pairs[..., 1], tensors["items"])
        hidden = linear(torch.cat([users, items], dim=-1), tensors, "hidden")
        return linear(sizes.activate(hidden), tensors, "head")

    return parameters, forward


def _build_autoencoder(sizes: Sizes) -> tuple[Parameters, Forward]:
    """features → 2 width → width / 2 → 2 width → features."""
    ends = (sizes.n_features, 2 * sizes.width, sizes.width // 2, 2 * sizes.width, sizes.n_features)
    return _build_layers(ends, sizes)


def _build_regression(sizes: Sizes) -> tuple[Parameters, Forward]:
    """features → width → width → outputs."""
    return _build_layers((sizes.n_features, sizes.width, sizes.width, sizes.n_outputs), sizes)


def _build_layers(ends: tuple[int, ...], sizes: Sizes) -> tuple[Parameters, Forward]:
    """Linear layers with an activation between them."""
    n_layers = len(ends) - 1
    parameters: dict[str, Parameter] = {}
    for i in range(n_layers):
        parameters |= describe_linear(f"layer{i}", ends[i], ends[i + 1])

    def forward(tensors: Tensors, inputs: Tensor) -> Tensor:
        x = linear(inputs, tensors, "layer0")
        for i in range(1, n_layers):
            x = linear(sizes.activate(x), tensors, f"layer{i}")
        return x

    return parameters, forward


def _compute_cross_entropy(logits: Tensor, _: Tensor, targets: Tensor) -> Tensor:
    """Of one target for each example, or the mean over several."""
    losses = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")
    return losses.view(*targets.shape[:2], -1).mean(-1)


def _compute_cross_entropy_of_asked(logits: Tensor, _: Tensor, targets: Tensor) -> Tensor:
    """The mean over those places of an example that have a target."""
    losses = F.cross_entropy(
        logits.flatten(0, -2), targets.flatten(), ignore_index=NO_TARGET, reduction="none"
    )
    n_asked = (targets != NO_TARGET).sum(-1)
    return losses.view(targets.shape).sum(-1) / n_asked


def _compute_missing(outputs: Tensor, inputs: Tensor, _: Tensor) -> Tensor:
    return (outputs - inputs).square().mean(-1)


def _compute_squared_error(outputs: Tensor, _: Tensor, targets: Tensor) -> Tensor:
    """Of one target for each example, or the mean over several."""
    return (outputs - targets.view_as(outputs)).square().mean(-1)


NETWORKS: Final[dict[str, tuple[Callable[[Sizes], tuple[Parameters, Forward]], ExampleLoss]]] = {
    "cnn": (_build_cnn, _compute_cross_entropy),
    "cnn-norm": (_build_normed_cnn, _compute_cross_entropy),
    "gru": (_build_gru, _compute_cross_entropy),
    "lstm": (_build_lstm, _compute_cross_entropy),
    "attention": (_build_attention, _compute_cross_entropy),
    "mixer": (_build_mixer, _compute_cross_entropy),
    "language": (_build_language, _compute_cross_entropy),
    "tied-language": (_build_tied_language, _compute_cross_entropy),
    "text": (_build_tied_language, _compute_cross_entropy),
    "masked-text": (_build_masked_language, _compute_cross_entropy_of_asked),
    "autoencoder": (_build_autoencoder, _compute_missing),
    "regression": (_build_regression, _compute_squared_error),
    "recommender": (_build_recommender, _compute_squared_error),
}
"""What builds each network, and its loss, by name."""


def batched_network(name: str, sizes: Sizes, initialization: str = "normal") -> BatchedNetwork:
    """One of `NETWORKS`.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, got {name!r}")
    build, loss = NETWORKS[name]
    parameters, forward = build(sizes)
    return _Composed(parameters, forward, loss, initialization)
