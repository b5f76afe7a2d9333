"""Residual networks (He et al., 2016) with batch norm at torchvision's start, and with group norm
at timm's."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


def make_batch_norm(n_channels: int) -> nn.Module:
    """By the minibatch's own statistics, at all times, with scale and offset."""
    return nn.BatchNorm2d(n_channels, track_running_stats=False)


def make_group_norm(n_channels: int) -> nn.Module:
    return nn.GroupNorm(8, n_channels)


class BasicBlock(nn.Module):
    """Two convolutions 3×3 with their norms, beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.norm1 = norm(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norm2 = norm(n_out)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False),
                norm(n_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.conv1(x)))
        inner = self.norm2(self.conv2(inner))
        return F.relu(inner + self.downsample(x))


class ResNet(nn.Module):
    """A stem and three blocks of 8, 16 and 32 channels; kernels by Kaiming's normal start, fan-out.

    Args:
        zero_last: whether each block begins as its shortcut: the scale of its last norm is 0, as
            timm has it.
    """

    def __init__(
        self,
        norm: Norm,
        zero_last: bool,
        image_shape: tuple[int, int, int],
        n_classes: int,
    ) -> None:
        super().__init__()
        self._image_shape = image_shape
        self.stem = nn.Sequential(
            nn.Conv2d(image_shape[0], 8, 3, 2, padding=1, bias=False),
            norm(8),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(
            BasicBlock(8, 8, 1, norm),
            BasicBlock(8, 16, 2, norm),
            BasicBlock(16, 32, 2, norm),
        )
        self.head = nn.Linear(32, n_classes)
        self._start(zero_last)

    def _start(self, zero_last: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if zero_last and isinstance(module, BasicBlock):
                nn.init.zeros_(module.norm2.get_parameter("weight"))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images.view(-1, *self._image_shape))
        x = self.blocks(x)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits
