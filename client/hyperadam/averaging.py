"""A running average of a run's weights, for where nobody knows how long the run will be.

A run that is told its length comes to rest over the last part of it (`hyperadam.rates`). One that
is not goes on with long steps, and its weights, wherever it is stopped, jump about the place where
they would come to rest. Their average over the newest part of the run does not:

    w̄_n = w̄_{n−1} + (η + 1) / (n + η) (w_n − w̄_{n−1})                  n = 1, 2, …

This is the polynomial-decay averaging of Shamir and Zhang, Stochastic gradient descent for
non-smooth optimization (ICML 2013): w_i counts in w̄_n by about (i / n)^η, so that the average is
n / (η + 2) steps old. η = 0 is the mean of all weights, ∞ the newest ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from torch import Tensor

DEFAULT_ETA: Final = 12.0
"""η: an average that is a fourteenth of the run old."""

Count = TypeVar("Count", float, Tensor)


def newest_share(n: Count, eta: float) -> Count:
    """(η + 1) / (n + η): what the newest weights count, the n-th of their run; 1 for the first."""
    return (eta + 1) / (n + eta)


@dataclass(frozen=True)
class PolynomialAverage:
    """What `torch.optim.swa_utils.AveragedModel` takes as its `multi_avg_fn`.

    Example:
        >>> averaged = AveragedModel(model, multi_avg_fn=PolynomialAverage(), use_buffers=True)
        >>> averaged.update_parameters(model)  # after each step of the optimizer

    Whole numbers among the buffers, as counts of minibatches are, are those of the newest model.
    In bfloat16 the steps of an average are soon too small to count: average a model of which the
    weights are so in float32, `AveragedModel(copy.deepcopy(model).float(), …)`.

    Raises:
        ValueError: η is negative or not finite.
    """

    eta: float = DEFAULT_ETA
    """η: 0 averages all weights alike, a larger one those of a shorter part of the run."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.eta) and self.eta >= 0):
            raise ValueError(f"eta must be a finite number of at least 0, got {self.eta}")

    @torch.no_grad()
    def __call__(
        self, averaged: Sequence[Tensor], newest: Sequence[Tensor], n_averaged: int | Tensor
    ) -> None:
        """Move averages of `n_averaged` models, in place, to those of one more."""
        share = newest_share(torch.as_tensor(n_averaged + 1), self.eta)
        for mean, tensor in zip(averaged, newest, strict=True):
            if mean.is_floating_point() or mean.is_complex():
                mean.lerp_(tensor.to(mean.dtype), share.to(mean.dtype))
            else:
                mean.copy_(tensor)
