"""A Θ with its ensemble's memory, its mixture's tilt and its response to the state changed.

    b_β,j ← b_β,j + memory          of the AdamCell
    b_w,j ← b_w,j e^(tilt x_j)      of the WeightCell, x_j = (j − 1) / (J − 1) − 1/2,  j = 1 … J
    W_w   ← response W_w            of the WeightCell

The first one multiplies β_j / (1 − β_j) by e^memory where s = m = 0.

Truncated back-propagation sees 20 steps ahead, and does not move these to where a whole episode
would have them. They are few, so validation can choose them: a study over `adjustment.memory` needs
no gradient.
"""

from __future__ import annotations

import torch
from hyperadam.rules import Tensors
from torch import Tensor

from meta_trainer.specs.adjustment import AdjustmentSpec


def adjust_theta(theta: Tensors, spec: AdjustmentSpec) -> dict[str, Tensor]:
    """The tensors of a HyperAdam's Θ, changed as the spec says; a spec of defaults changes no bit,
    of no rule's Θ.

    Args:
        theta: by name and shape as `HyperAdamRule.theta_shapes` has them.
    """
    adjusted = dict(theta)
    if spec.changes_nothing:
        return adjusted

    mixture = theta["weight_cell.bias"]
    n_candidates = mixture.numel()
    decay_logits = theta["adam_cell.bias"].clone()
    decay_logits[:n_candidates] += spec.memory  # those of β; γ's follow
    adjusted["adam_cell.bias"] = decay_logits

    if n_candidates > 1:
        positions = torch.linspace(-0.5, 0.5, n_candidates).to(mixture)
        adjusted["weight_cell.bias"] = mixture * torch.exp(spec.tilt * positions)

    adjusted["weight_cell.weight"] = theta["weight_cell.weight"] * spec.response
    return adjusted
