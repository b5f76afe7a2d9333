"""Autoencoders of images: a plain one, and a variational one (Kingma and Welling, 2014). Their
losses are sums over pixels, as both are written."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN: Final = 64
CODE: Final = 16


class Autoencoder(nn.Module):
    """784 → 64 → 16 → 64 → 784 with GELU; the binary cross-entropy of each image, summed over its
    pixels, shape (batch,)."""

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int) -> None:  # noqa: ARG002
        super().__init__()
        n_features = _count_features(image_shape)
        self.encoder = nn.Sequential(
            nn.Linear(n_features, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, CODE),
        )
        self.decoder = _make_decoder(n_features, nn.GELU())

    def forward(self, images: Tensor) -> Tensor:
        return _measure_images(self.decoder(self.encoder(images)), images)


class VAE(nn.Module):
    """784 → 64 → (mean, log variance) of 16 → 64 → 784 with ReLU; the negative evidence lower bound
    of each image, in nats, shape (batch,)."""

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int) -> None:  # noqa: ARG002
        super().__init__()
        n_features = _count_features(image_shape)
        self.encoder = nn.Sequential(nn.Linear(n_features, HIDDEN), nn.ReLU())
        self.mean = nn.Linear(HIDDEN, CODE)
        self.log_variance = nn.Linear(HIDDEN, CODE)
        self.decoder = _make_decoder(n_features, nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.encoder(images)
        mean = self.mean(hidden)
        log_variance = self.log_variance(hidden)
        code = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        missed = _measure_images(self.decoder(code), images)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1) / 2
        bound: Tensor = missed + divergence
        return bound


def _make_decoder(n_features: int, activation: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(CODE, HIDDEN), activation, nn.Linear(HIDDEN, n_features))


def _measure_images(logits: Tensor, images: Tensor) -> Tensor:
    """Pixels in [0, 1] as probabilities; those of CIFAR-10 are moved there from [−.5, .5]."""
    shades = images - images.min().clamp(max=0)
    return F.binary_cross_entropy_with_logits(logits, shades, reduction="none").sum(-1)


def _count_features(image_shape: tuple[int, int, int]) -> int:
    channels, height, width = image_shape
    return channels * height * width
