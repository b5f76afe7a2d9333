"""Networks of today as learners, small ones, from torch's own layers and with torch's own starts:
what an optimizer that was trained on MLPs, LSTMs and plain CNNs is tried on.

They take images as flat as `Dataset` draws them, and any that can be cut into 4 × 4 patches.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.datasets.language import LENGTH, N_SYMBOLS
from meta_trainer.learners.module import Loss, ModuleLearner
from meta_trainer.specs.unseen_tasks import ImageNetwork

ImageShape = tuple[int, int, int]
"""(channels, height, width)."""

WIDTH: Final = 32
"""Numbers that transformers and the GRU keep for each place."""
PATCHES: Final = 4
"""Patches of an image in its height, and in its width."""


class Autoencoder(nn.Module):
    """784 → 64 → 16 → 64 → 784 with ReLU; gives what is missing to its input."""

    def __init__(self, image_shape: ImageShape, n_classes: int) -> None:  # noqa: ARG002
        super().__init__()
        channels, height, width = image_shape
        n_features = channels * height * width
        self.encoder = nn.Sequential(
            nn.Linear(n_features, 64),
            nn.ReLU(),
            nn.Linear(64, 16),
        )
        self.decoder = nn.Sequential(
            nn.ReLU(),
            nn.Linear(16, 64),
            nn.ReLU(),
            nn.Linear(64, n_features),
        )

    def forward(self, images: Tensor) -> Tensor:
        missing: Tensor = images - self.decoder(self.encoder(images))
        return missing


class ResidualBlock(nn.Module):
    """Two convolutions 3×3 with group norm, beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
            nn.GroupNorm(4, n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.GroupNorm(4, n_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.inner(x))


class Residual(nn.Module):
    """A ResNet of three blocks (He et al., 2016) with group norm (Wu and He, 2018)."""

    def __init__(self, image_shape: ImageShape, n_classes: int) -> None:
        super().__init__()
        self._image_shape = image_shape
        self.stem = nn.Sequential(
            nn.Conv2d(image_shape[0], 16, 3, 2, padding=1, bias=False),
            nn.GroupNorm(4, 16),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(
            ResidualBlock(16, 16, stride=1),
            ResidualBlock(16, 32, stride=2),
            ResidualBlock(32, 32, stride=1),
        )
        self.head = nn.Linear(32, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images.view(-1, *self._image_shape))
        x = self.blocks(x)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


class RowGRU(nn.Module):
    """A GRU (Cho et al., 2014) that reads an image row by row, and then says its class."""

    def __init__(self, image_shape: ImageShape, n_classes: int) -> None:
        super().__init__()
        self._image_shape = image_shape
        channels, _, width = image_shape
        self.gru = nn.GRU(channels * width, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        rows = images.view(-1, *self._image_shape).transpose(1, 2).flatten(2)
        states, _ = self.gru(rows)
        logits: Tensor = self.head(states[:, -1])
        return logits


class Transformer(nn.Module):
    """Two layers (Vaswani et al., 2017), with layer norm before each part and at the end, over
    learned places."""

    def __init__(self, n_places: int, *, causal: bool) -> None:
        super().__init__()
        self.places = nn.Parameter(0.02 * torch.randn(n_places, WIDTH))
        self.layers = nn.ModuleList(_transformer_layer() for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self._mask: Tensor | None = None
        if causal:
            self._mask = nn.Transformer.generate_square_subsequent_mask(n_places)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.places
        mask = self._mask
        if mask is not None:
            mask = mask.to(x.dtype)

        for layer in self.layers:
            x = layer(x, src_mask=mask)
        normed: Tensor = self.norm(x)
        return normed


def _transformer_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(
        d_model=WIDTH,
        nhead=4,
        dim_feedforward=2 * WIDTH,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )


class VisionTransformer(nn.Module):
    """A transformer over 4 × 4 patches of an image (Dosovitskiy et al., 2021), and the mean of what
    it gives."""

    def __init__(self, image_shape: ImageShape, n_classes: int) -> None:
        super().__init__()
        self._image_shape = image_shape
        channels, height, width = image_shape
        patch = (height // PATCHES, width // PATCHES)
        self.embed = nn.Conv2d(channels, WIDTH, kernel_size=patch, stride=patch)
        self.transformer = Transformer(PATCHES**2, causal=False)
        self.head = nn.Linear(WIDTH, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.embed(images.view(-1, *self._image_shape))
        tokens = patches.flatten(2).transpose(1, 2)
        logits: Tensor = self.head(self.transformer(tokens).mean(1))
        return logits


class LanguageModel(nn.Module):
    """A causal transformer over symbols."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(N_SYMBOLS, WIDTH)
        self.transformer = Transformer(LENGTH, causal=True)
        self.head = nn.Linear(WIDTH, N_SYMBOLS)

    def forward(self, symbols: Tensor) -> Tensor:
        states = self.transformer(self.embed(symbols))
        logits: Tensor = self.head(states)
        return logits


def _squared_error(missing: Tensor, _: Tensor) -> Tensor:
    return missing.square().mean()


def _cross_entropy(logits: Tensor, symbols: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, -2), symbols.flatten())


ImageModule = Callable[[ImageShape, int], nn.Module]
"""From (shape of an image, number of classes) to the module."""

IMAGE_NETWORKS: Final[dict[ImageNetwork, tuple[ImageModule, Loss]]] = {
    "autoencoder": (Autoencoder, _squared_error),
    "residual": (Residual, _cross_entropy),
    "gru": (RowGRU, _cross_entropy),
    "vision-transformer": (VisionTransformer, _cross_entropy),
}
"""What makes each network, and its loss, by name."""


def image_network(name: ImageNetwork, image_shape: ImageShape, n_classes: int) -> ModuleLearner:
    """One of `IMAGE_NETWORKS`, with the mean cross-entropy, or the autoencoder's squared error."""
    make, loss = IMAGE_NETWORKS[name]
    return ModuleLearner(partial(make, image_shape, n_classes), loss, together=False)


def language_model() -> ModuleLearner:
    """Mean cross-entropy of the next symbol, in nats."""
    return ModuleLearner(LanguageModel, _cross_entropy, together=False)
