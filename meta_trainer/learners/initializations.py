"""How weights start, as people start them: scales by layer instead of one for all.

    torch   weight and bias ~ U(±1/√fan_in)         nn.Linear and nn.Conv2d of torch
    gpt2    weight ~ N(0, .02²), bias 0             Radford et al., 2019
    lecun   weight ~ N(0, 1/fan_in), bias 0         LeCun et al., 1998

fan_in is the number of inputs of a unit: of a weight its numbers but for the first dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

GPT2_STD: Final = 0.02


def draw_start(
    initialization: str,
    shapes: Sequence[Sequence[int]],
    generators: Sequence[torch.Generator],
    dtype: torch.dtype,
) -> Tensor:
    """Weights of L learners, row i from generator i.

    Args:
        initialization: `torch`, `gpt2` or `lecun`.
        shapes: of a learner's parameters as `torch.nn` has them; a vector is the bias of the weight
            before it.

    Returns:
        Shape (L, p).

    Raises:
        ValueError: no initialization has that name.
    """
    scales = _compute_scales(initialization, shapes).to(dtype)
    draw = _draw_uniform if initialization == "torch" else _draw_normal
    drawn = torch.stack([draw(len(scales), generator) for generator in generators])
    return drawn.to(dtype) * scales


def _compute_scales(initialization: str, shapes: Sequence[Sequence[int]]) -> Tensor:
    """What multiplies each standard draw; shape (p,), float64."""
    scales = []
    fan_in = 1
    for shape in shapes:
        is_bias = len(shape) == 1
        if not is_bias:
            fan_in = math.prod(shape[1:])
        scale = _compute_scale(initialization, fan_in, is_bias=is_bias)
        scales.append(torch.full((math.prod(shape),), scale, dtype=torch.float64))
    return torch.cat(scales)


def _compute_scale(initialization: str, fan_in: int, *, is_bias: bool) -> float:
    match initialization:
        case "torch":
            return 1 / math.sqrt(fan_in)
        case "gpt2":
            return 0.0 if is_bias else GPT2_STD
        case "lecun":
            return 0.0 if is_bias else 1 / math.sqrt(fan_in)
        case _:
            raise ValueError(
                f"initialization must be normal, torch, gpt2 or lecun, got {initialization!r}"
            )


def _draw_uniform(n: int, generator: torch.Generator) -> Tensor:
    """From U(−1, 1)."""
    return torch.rand(n, generator=generator) * 2 - 1


def _draw_normal(n: int, generator: torch.Generator) -> Tensor:
    """From N(0, 1)."""
    return torch.randn(n, generator=generator)
