"""A Θ with its ensemble's memory, its mixture's tilt and its response to the state changed.

    b_β,j ← b_β,j + memory                      AdamCell:   β_j / (1 − β_j) ← e^memory β_j / (1 − β_j) where s = m = 0
    b_w,j ← b_w,j e^(tilt x_j)                  WeightCell: x_j = (j − 1) / (J − 1) − 1/2,  j = 1 … J
    W_w   ← response W_w

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
    changed = dict(theta)
    if spec.changes_nothing:
        return changed
    decay_logits, mixture = theta["adam_cell.bias"].clone(), theta["weight_cell.bias"]
    n_candidates = mixture.numel()
    decay_logits[:n_candidates] += spec.memory  # those of β; γ's follow
    changed["adam_cell.bias"] = decay_logits
    if n_candidates > 1:
        changed["weight_cell.bias"] = mixture * torch.exp(
            spec.tilt * torch.linspace(-0.5, 0.5, n_candidates).to(mixture)
        )
    changed["weight_cell.weight"] = theta["weight_cell.weight"] * spec.response
    return changed
