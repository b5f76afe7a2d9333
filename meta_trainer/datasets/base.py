"""What a dataset is: bytes in memory, a scale, and a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


class DatasetMissing(FileNotFoundError):
    """The dataset is not in the data folder; the message says how to get it."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images. Pixels stay bytes; a minibatch is scaled to `pixel / 255 + offset` when it is drawn."""

    name: str
    split: str
    images: Tensor
    """Shape (n, channels, height, width), uint8."""
    labels: Tensor
    """Shape (n,), int64."""
    n_classes: int
    offset: float = 0.0
    """0 for MNIST and Fashion-MNIST (in [0, 1]); −0.5 for CIFAR-10 (in [−0.5, 0.5])."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def n_features(self) -> int:
        """Numbers in one image."""
        channels, height, width = self.image_shape
        return channels * height * width

    def minibatch(self, indices: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """Images (*indices.shape, n_features) and labels (*indices.shape) for integer indices of any shape."""
        flat = self.images.view(len(self), -1)[indices.reshape(-1)].to(dtype).mul_(1 / 255)
        if self.offset:
            flat += self.offset
        return flat.view(*indices.shape, -1), self.labels[indices]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over shapes, pixels and labels: what a Θ's manifest says it was trained on."""
        digest = hashlib.sha256(f"{tuple(self.images.shape)} {self.n_classes} {self.offset}".encode())
        digest.update(self.images.contiguous().numpy().data)
        digest.update(self.labels.contiguous().numpy().data)
        return digest.hexdigest()
