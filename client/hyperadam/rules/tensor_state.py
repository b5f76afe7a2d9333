"""What `hyperadam-tensor` carries from step to step, and what of it says how tensors start."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor

from hyperadam.rules.roles import N_TRAITS, ROLES
from hyperadam.rules.tensors import count_coordinates

LENGTH_BASE: Final = 2**20
"""Lengths are kept as two numbers to this base: float32 holds no whole number above 2^24."""
FORGOTTEN: Final = 0.01
"""Of ⟨v⟩: where v is not more, a coordinate without a gradient stands still in any tensor."""


class HyperAdamTensorState(NamedTuple):
    """What is carried from step to step: J + 1 numbers a coordinate, and 2 J + 12 or so for each of
    the k tensors."""

    m: Tensor
    """First moments m_j; shape (J, *batch, p)."""
    v: Tensor
    """The second moment; shape (1, *batch, p)."""
    beta_hat: Tensor
    """Bias factors β̂_j of m; shape (J, *batch, k)."""
    gamma_hat: Tensor
    """Bias factor γ̂ of v; shape (1, *batch, k)."""
    means: Tensor
    """⟨m̂_j²⟩, ⟨v̂⟩ and ⟨g²⟩ of the last step, and the share of zeros in g where the rule counts
    them; shape (J + 2 or J + 3, *batch, k)."""
    n_steps: Tensor
    """Steps that lie behind; shape (1, *batch, k)."""
    start_rms: Tensor
    """⟨w_0²⟩^½; shape (1, *batch, k)."""
    traits: Tensor
    """log fan-in, which of `ROLES` the tensor has, and its surroundings where the rule sees them;
    shape (5 or 10, *batch, k)."""
    length: Tensor
    """Its coordinates: quotient and rest by `LENGTH_BASE`; shape (2, *batch, k)."""


class Start(NamedTuple):
    """How the tensors start; each field of shape (1, *batch, k)."""

    is_relative: Tensor
    """Whether steps are relative to the start: not of vectors, nor where it is 0."""
    log_gain: Tensor
    """0 where steps are not relative."""
    log_fan_in: Tensor


def describe_start(state: HyperAdamTensorState) -> Start:
    """What lengths and cells are told of the tensors' starts."""
    return find_start(state.start_rms, state.traits)


def find_start(
    start_rms: Tensor,  # shape: (1, *batch, k)
    traits: Tensor,  # shape: (5 or more, *batch, k)
) -> Start:
    """The same, from the fields of a state that say it."""
    is_vector = traits[len(ROLES) : N_TRAITS] > 0.5
    is_relative = (start_rms > 0) & ~is_vector
    log_fan_in = traits[:1]
    log_gain = torch.where(is_relative, start_rms, 1.0).log() + log_fan_in / 2
    return Start(is_relative, torch.where(is_relative, log_gain, 0.0), log_fan_in)


def find_still_v(state: HyperAdamTensorState, sparse_above: float) -> Tensor:
    """How large v may be where a coordinate without a gradient stands still, in the step after
    `state`: a part of ⟨v⟩ in tensors whose gradient was sparse, else any; shape (1, *batch, k).

    Args:
        state: ends with the share of zeros in `means`, unless `sparse_above` is 1.
        sparse_above: of the rule.
    """
    if sparse_above == 1:
        return torch.full_like(state.n_steps, torch.inf)
    n_candidates = len(state.m)
    v_mean = state.means[n_candidates : n_candidates + 1] * state.gamma_hat
    zero_share = state.means[-1:]
    is_sparse = (zero_share > sparse_above) & (zero_share < 1)
    return torch.where(is_sparse, FORGOTTEN * v_mean, torch.inf).detach()


def split_length(length: int) -> tuple[int, int]:
    """Quotient and rest by `LENGTH_BASE`."""
    return divmod(length, LENGTH_BASE)


def read_lengths(state: HyperAdamTensorState) -> list[int]:
    """The coordinates of each tensor."""
    of_one_learner = state.length.detach().reshape(2, -1, state.length.shape[-1])[:, 0]
    return count_coordinates(of_one_learner, LENGTH_BASE)
