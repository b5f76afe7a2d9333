"""What learners are trained on: anything that draws minibatches from seeds, above all labelled
images in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from meta_trainer.datasets.catalog import Form, Targets
from meta_trainer.datasets.pooling import pool_images


class DatasetMissing(FileNotFoundError):
    """The dataset is not in the data folder; the message says how to get it."""


class Data(Protocol):
    """A source of minibatches."""

    @property
    def name(self) -> str:
        """Unique within a job."""

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides what is drawn."""

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Inputs (L, batch, …) and targets (L, batch, …), row i from generator i alone."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, or vectors as images of one row, with what is to be said of each. Pixels stay bytes;
    a minibatch is scaled to `pixel / 255 + offset` when it is drawn."""

    name: str
    split: str
    images: Tensor
    """Shape (n, channels, height, width), uint8; or float32, which is drawn as it is."""
    labels: Tensor
    """Shape (n,), int64; or numbers to predict, shape (n, n_classes), float32."""
    n_classes: int
    """Of numbers, how many there are of each example."""
    offset: float = 0.0
    """0 for MNIST and Fashion-MNIST (in [0, 1]); −0.5 for CIFAR-10 (in [−0.5, 0.5])."""
    targets: Targets = "labels"
    digest: str = ""
    """sha256 of the file that it came in; empty: its fingerprint is made of its numbers."""
    _pooled: dict[int, Dataset] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def form(self) -> Form:
        """What an example looks like."""
        return Form(self.image_shape, self.n_classes, self.targets)

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

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Images (L, batch, n_features) and labels (L, batch), or numbers (L, batch, n_classes);
        drawn with replacement, row i from generator i."""
        return self.minibatch(self.draw_indices(generators, batch_size), dtype)

    def draw_indices(self, generators: Sequence[torch.Generator], batch_size: int) -> Tensor:
        """Which images `draw` takes; shape (L, batch), int64."""
        return torch.stack(
            [torch.randint(len(self), (batch_size,), generator=g) for g in generators]
        )

    def minibatch(
        self, indices: Tensor, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        """Images (*indices.shape, n_features) and labels (*indices.shape), or numbers
        (*indices.shape, n_classes), for integer indices of any shape."""
        pixels = self.images.view(len(self), -1)[indices.reshape(-1)].to(dtype)
        if not self.images.is_floating_point():
            pixels = pixels.mul_(1 / 255)
        if self.offset:
            pixels += self.offset
        labels = self.labels[indices]
        if labels.is_floating_point():
            labels = labels.to(dtype)
        return pixels.view(*indices.shape, -1), labels

    def pooled(self, side: int) -> Dataset:
        """The same images grey and small (`meta_trainer.datasets.pooling`), made once."""
        if side not in self._pooled:
            images = pool_images(self.images, side)
            name = f"{self.name}-{side}"
            self._pooled[side] = replace(self, name=name, images=images, digest="")
        return self._pooled[side]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over shapes, pixels and labels, or of its file: what a Θ's manifest says it was
        trained on."""
        if self.digest:
            return self.digest
        header = f"{tuple(self.images.shape)} {self.n_classes} {self.offset}"
        digest = hashlib.sha256(header.encode())
        digest.update(self.images.contiguous().numpy().data)
        digest.update(self.labels.contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class TensorData:
    """A user's own examples: inputs and targets of any shape, drawn with replacement."""

    name: str
    inputs: Tensor
    """Shape (n, …)."""
    targets: Tensor
    """Shape (n, …)."""

    def __post_init__(self) -> None:
        n_inputs = len(self.inputs)
        n_targets = len(self.targets)
        if n_inputs != n_targets or n_inputs == 0:
            raise ValueError(f"inputs and targets must be as many, got {n_inputs} and {n_targets}")

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Inputs and targets (L, batch, …); floating point ones in `dtype`, others as they are."""
        indices = torch.stack(
            [torch.randint(len(self.inputs), (batch_size,), generator=g) for g in generators]
        )
        inputs = self.inputs[indices]
        targets = self.targets[indices]
        return (
            inputs.to(dtype) if inputs.is_floating_point() else inputs,
            targets.to(dtype) if targets.is_floating_point() else targets,
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over shapes, types and numbers."""
        digest = hashlib.sha256()
        for tensor in (self.inputs, self.targets):
            digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()
