"""Convolutional learners against plain modules one at a time; their sizes, their dropout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.learners import CNN
from meta_trainer.seeds import make_generator

SHAPES = {"mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
SMALL = (2, 9, 8)


class Masked(nn.Module):
    """Dropout with a mask that is given."""

    def __init__(self, mask: Tensor | None) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor:
        return x if self.mask is None else x * self.mask


def reference(
    architecture: str, image_shape: tuple[int, int, int], batch_norm: bool, mask: Tensor | None
) -> nn.Sequential:
    channels, height, width = image_shape
    layers: list[nn.Module] = []
    for block in ((16, 16),) if architecture == "cnn-1" else ((16, 16), (32, 32)):
        for n_out in block:
            layers.append(nn.Conv2d(channels, n_out, 3, padding="same"))
            if batch_norm:
                layers.append(nn.BatchNorm2d(n_out, affine=False, track_running_stats=False))
            layers.append(nn.ReLU())
            channels = n_out
        layers.append(nn.MaxPool2d(2, stride=2))
        height = height // 2
        width = width // 2
    layers.append(nn.Flatten())
    n_in = channels * height * width
    if architecture == "cnn-2":
        layers += [nn.Linear(n_in, 64), nn.ReLU()]
        n_in = 64
    return nn.Sequential(*layers, Masked(mask), nn.Linear(n_in, 10)).double()


@pytest.mark.parametrize("architecture", ["cnn-1", "cnn-2"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
def test_equals_one_module_at_a_time(architecture: Any, batch_norm: bool, dropout: bool) -> None:
    learner = CNN(architecture, SMALL, 10, batch_norm=batch_norm, dropout=dropout)
    w = learner.start(generators("w", 2), 0.3, torch.float64)
    inputs = torch.randn(2, 5, 2 * 9 * 8, dtype=torch.float64)
    targets = torch.randint(10, (2, 5))
    noise = learner.noise(generators("noise", 2), 5, torch.float64) if dropout else None
    losses, gradients = learner.losses_and_gradients(w, inputs, targets, noise)
    for i in range(2):
        net = reference(architecture, SMALL, batch_norm, None if noise is None else noise[i])
        nn.utils.vector_to_parameters(w[i], net.parameters())
        loss = F.cross_entropy(net(inputs[i].view(-1, *SMALL)), targets[i])
        expected = torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))]
        )
        torch.testing.assert_close(losses[i], loss.detach())
        torch.testing.assert_close(gradients[i], expected)


@pytest.mark.parametrize(
    ("architecture", "dataset", "n_coordinates"),
    [
        ("cnn-1", "mnist", 33_850),
        ("cnn-1", "fashion_mnist", 33_850),
        ("cnn-1", "cifar10", 43_738),
        ("cnn-2", "mnist", 117_434),
        ("cnn-2", "cifar10", 148_442),
    ],
)
def test_sizes(architecture: Any, dataset: str, n_coordinates: int) -> None:
    learner = CNN(architecture, SHAPES[dataset], 10)
    assert learner.n_coordinates == n_coordinates
    own = sum(p.numel() for p in reference(architecture, SHAPES[dataset], False, None).parameters())
    assert own == n_coordinates
    assert (
        CNN(architecture, SHAPES[dataset], 10, batch_norm=True, dropout=True).n_coordinates
        == n_coordinates
    )


def test_dropout_keeps_the_mean_and_half_of_the_features() -> None:
    learner = CNN("cnn-1", (1, 28, 28), 10, dropout=True)
    masks = learner.noise(generators("noise", 2), 16, torch.float32)
    assert masks.shape == (2, 16, 16 * 14 * 14)
    assert set(masks.unique().tolist()) == {0.0, 2.0}
    assert abs(float(masks.mean()) - 1) < 0.02
    assert not torch.equal(masks[0], masks[1])
    assert torch.equal(masks[1:], learner.noise(generators("noise", 2)[1:], 16, torch.float32))


def test_batch_norm_ignores_scale_and_offset_of_the_first_layers_input() -> None:
    learner = CNN("cnn-1", SMALL, 10, batch_norm=True)
    w = learner.start(generators("w", 1), 0.3, torch.float64)
    inputs = torch.randn(1, 6, 2 * 9 * 8, dtype=torch.float64)
    torch.testing.assert_close(
        learner.logits(w, inputs), learner.logits(w, 7 * inputs), rtol=1e-3, atol=1e-3
    )


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match="architecture must be one of cnn-1, cnn-2, got 'cnn-3'"):
        CNN("cnn-3", SMALL, 10)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image_shape"):
        CNN("cnn-2", (1, 3, 8), 10)


def generators(purpose: str, n: int) -> list[torch.Generator]:
    return list(_generators(purpose, n))


def _generators(purpose: str, n: int) -> Iterator[torch.Generator]:
    for i in range(n):
        yield make_generator(0, purpose, i)
