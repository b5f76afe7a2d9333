"""Where weights move: by a direction, at a rate (`hyperadam.rates`), in place, out of place for
learners as flat vectors, and the derivative of both."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hyperadam.rates import Rate


def move_parameters(
    parameters: list[Tensor],
    directions: list[Tensor],
    rate: Rate,
    step: int,
    shares: list[float] | list[Tensor] | None,
    decays: Sequence[float | Tensor] | None = None,
) -> None:
    """w ← (1 − α_t λ) w − α_t share d, in place, for every parameter: the only place where w moves,
    beside `hyperadam.kernels.Mover`, which does the same within a step.

    Args:
        parameters: w; moved.
        directions: d, of the same shapes; used up.
        rate: α, its schedule and its decay.
        step: t, how many steps lie behind.
        shares: of each parameter a number, or a tensor that its direction is multiplied by; None:
            all are 1.
        decays: which part of λ each parameter has: 0, 1, or a tensor of them that its shape can be
            multiplied by; None: all of it.
    """
    if rate.weight_decay:
        _decay_parameters(parameters, rate.retention(step), decays)
    if shares is not None:
        torch._foreach_mul_(directions, shares)
    torch._foreach_add_(parameters, directions, alpha=-rate.at(step))


def _decay_parameters(
    parameters: list[Tensor], retention: float, decays: Sequence[float | Tensor] | None
) -> None:
    """w ← retention · w, of the parts that decay."""
    whole = parameters
    if decays is not None:
        pairs = zip(parameters, decays, strict=True)
        whole = [parameter for parameter, part in pairs if not isinstance(part, Tensor) and part]
        decay_parts(parameters, retention, decays)
    if whole:
        torch._foreach_mul_(whole, retention)


def decay_parts(
    parameters: Sequence[Tensor], retention: float, decays: Sequence[float | Tensor]
) -> None:
    """The same of those alone whose part is a tensor."""
    for parameter, part in zip(parameters, decays, strict=True):
        if isinstance(part, Tensor):
            parameter.mul_(1 - (1 - retention) * part)


def moved_parameters(
    w: Tensor,  # shape: (L, p)
    direction: Tensor,  # shape: (L, p)
    rate: Rate,
    step: int,
    shares: Tensor | None,  # shape: (p,)
) -> Tensor:
    """The same for L learners as flat vectors, out of place; shape (L, p)."""
    moved = w.clone()
    used_up = direction if shares is None else direction.clone()
    move_parameters([moved], [used_up], rate, step, None if shares is None else [shares])
    return moved


def direction_adjoints(
    adjoints: Tensor,  # shape: (S, L, p)
    rate: Rate,
    first_step: int,
    shares: Tensor | None,  # shape: (p,)
) -> Tensor:
    """The derivative of `move_parameters`: from ∂F/∂w_{t+1} of S steps to ∂F/∂d_t = −α_t share
    ∂F/∂w_{t+1}.

    Args:
        first_step: t of the first of the S steps.
    """
    steps = range(first_step, first_step + len(adjoints))
    alphas = torch.tensor([rate.at(step) for step in steps], dtype=torch.float64)
    result = adjoints * -alphas[:, None, None].to(adjoints)
    return result if shares is None else result * shares
