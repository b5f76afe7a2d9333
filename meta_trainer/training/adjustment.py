"""A Θ with its ensemble's memory, its mixture's tilt and its response to the state changed.

    b_β,j ← b_β,j + memory          of the AdamCell
    b_w,j ← b_w,j e^(tilt x_j)      of the WeightCell, x_j = (j − 1) / (J − 1) − 1/2,  j = 1 … J
    W_w   ← response W_w            of the WeightCell

The first one multiplies β_j / (1 − β_j) by e^memory where s = m = 0. And the length of the steps of
a `hyperadam-tensor`, all of whose numbers are b_ℓ, its exponents and W_ℓ:

    x   ← x₀ + length_kept (x − x₀)     x₀: of an untrained start
    b_ℓ ← b_ℓ + log length

Truncated back-propagation sees 20 steps ahead, and does not move these to where a whole episode
would have them. They are few, so validation can choose them: a study over `adjustment.memory` needs
no gradient.
"""

from __future__ import annotations

import math

import torch
from hyperadam.rules import Tensors
from torch import Tensor

from meta_trainer.specs.adjustment import AdjustmentSpec

_LENGTH = "length."
"""What the names of a length's tensors begin with."""


def adjust_theta(
    theta: Tensors, spec: AdjustmentSpec, start: Tensors | None = None
) -> dict[str, Tensor]:
    """The tensors of a Θ, changed as the spec says; a spec of defaults changes no bit, of no rule's
    Θ.

    Args:
        theta: by name and shape as `Rule.theta_shapes` has them.
        start: likewise, of an untrained start; needed where `length_kept` is not 1.
    """
    adjusted = dict(theta)
    if spec.is_of_candidates:
        _adjust_candidates(adjusted, spec)
    if spec.length_kept != 1:
        assert start is not None
        _keep_of_length(adjusted, spec.length_kept, start)
    if spec.length != 1:
        adjusted["length.bias"] = adjusted["length.bias"] + math.log(spec.length)
    return adjusted


def _adjust_candidates(theta: dict[str, Tensor], spec: AdjustmentSpec) -> None:
    """Memory, tilt and response, in the dictionary itself."""
    mixture = theta["weight_cell.bias"]
    n_candidates = mixture.numel()
    decay_logits = theta["adam_cell.bias"].clone()
    decay_logits[:n_candidates] += spec.memory  # those of β; γ's follow
    theta["adam_cell.bias"] = decay_logits

    if n_candidates > 1:
        positions = torch.linspace(-0.5, 0.5, n_candidates).to(mixture)
        theta["weight_cell.bias"] = mixture * torch.exp(spec.tilt * positions)

    theta["weight_cell.weight"] = theta["weight_cell.weight"] * spec.response


def _keep_of_length(theta: dict[str, Tensor], share: float, start: Tensors) -> None:
    """In the dictionary itself."""
    for name in theta:
        if name.startswith(_LENGTH):
            untrained = start[name].to(theta[name])
            theta[name] = untrained + share * (theta[name] - untrained)
