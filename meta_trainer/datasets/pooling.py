"""Images that are averaged down, so that a learner on them is small."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

_IMAGES_AT_ONCE: Final = 4096


def pool_images(images: Tensor, side: int) -> Tensor:
    """The mean over channels, cropped around its middle to a multiple of `side` (28 of CIFAR-10's
    32 pixels), then over squares that do not overlap; bytes are rounded to bytes.

    Args:
        images: shape (n, channels, height, width), uint8 or float32; as high as wide.

    Returns:
        Shape (n, 1, side, side), of the same type.

    Raises:
        ValueError: an image has fewer pixels than that.
    """
    size = images.shape[-1]
    if size < side:
        raise ValueError(f"images of {size} pixels cannot be pooled to {side}")
    square = size // side
    first = (size - square * side) // 2
    middle = slice(first, first + square * side)

    pooled = []
    for part in images.split(_IMAGES_AT_ONCE):
        grey = part[..., middle, middle].float().mean(1, keepdim=True)
        means = F.avg_pool2d(grey, square)
        pooled.append(means if images.is_floating_point() else means.round().to(torch.uint8))
    return torch.cat(pooled)
