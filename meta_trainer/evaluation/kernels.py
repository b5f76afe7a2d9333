"""The kernels that an evaluation's numbers come from: of each learned optimizer, and of torch
beneath the baselines. Every cell takes its own along (`meta_trainer.training.kernel`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from hyperadam.theta import Theta

from meta_trainer.runners import Runner
from meta_trainer.training.kernel import list_kernels

OF_BASELINES: Final = "baselines"
"""Stands for all of them, beside the names of learned optimizers."""


def find_kernels(thetas: Mapping[str, Theta], runner: Runner) -> dict[str, str]:
    """What the workers have for each of these and for the baselines; where they have different
    ones, a fused kernel, on the widest vectors."""
    kernels = {}
    for name, theta in thetas.items():
        kernels[name] = _choose(list_kernels(asdict(theta.rule.spec), runner))
    kernels[OF_BASELINES] = _choose(list_kernels(None, runner))
    return kernels


def _choose(found: Sequence[str]) -> str:
    return max(found, key=lambda name: (name.startswith("fused/"), name))
