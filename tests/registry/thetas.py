"""Small, valid Θ that differ by a seed."""

from __future__ import annotations

import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hyperadam.theta import Theta


def make_theta(seed: int = 0, n_candidates: int = 2) -> Theta:
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=n_candidates))
    tensors = rule.init_theta(torch.Generator().manual_seed(seed), "paper")
    return Theta(
        rule,
        {name: t.to(torch.float32) for name, t in tensors.items()},
        Rate(lr=0.005),
        {"seed": seed, "note": "ünï\n"},
    )
