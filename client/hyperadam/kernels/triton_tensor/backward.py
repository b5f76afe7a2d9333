"""The derivative of `forward.step_coordinates`, written out.

With bars for adjoints, a = 1 where the coordinate does not stand still and the direction is within
its bound, else 0, S̄ the adjoints of the three kinds of sums, M = Σ ρ_j m̂_j and r = 1 / √(v̂ + ε):

    M̄ = a d̄ ℓ r          v̂̄ = −½ a d̄ ℓ M r³
    m̄'_j = m̄_j + M̄ ρ_j / β̂_j + 2 m_j S̄_j          v̄' = v̄ + v̂̄ / γ̂ + S̄_v
    m̄_j(t − 1) = β_j m̄'_j          v̄(t − 1) = γ v̄'
    ḡ = Σ_j (1 − β_j) m̄'_j + 2 g ((1 − γ) v̄' + S̄_g)

and of what a tensor has: β̄_j = Σ m̄'_j (m_j(t − 1) − g), the adjoint of ρ_j / β̂_j Σ M̄ m_j, γ̄ = Σ v̄'
(v(t − 1) − g²), that of 1 / γ̂ Σ v̂̄ v, ℓ̄ = Σ d̄ d / ℓ.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from hyperadam.kernels.triton_tensor.forward import move_moments
from hyperadam.kernels.triton_tensor.tiles import (
    load_column,
    load_numbers,
    load_rows,
    locate_tile,
    store_column,
    store_row_sums,
    store_rows,
    store_sum,
)


class Adjoints(NamedTuple):
    """Of what a step has given; contiguous."""

    direction: Any
    """Shape (L, p)."""
    m: Any
    """Shape (J, L, p)."""
    v: Any
    """Shape (1, L, p)."""
    sums: Any
    """Shape (J + 3, L, k); that of the last row counts nothing."""


class InputAdjoints(NamedTuple):
    """Of what it was given; written."""

    gradient: Any
    """Shape (L, p)."""
    m: Any
    """Shape (J, L, p)."""
    v: Any
    """Shape (1, L, p)."""


@triton.jit
def step_coordinates_backward(
    gradient,
    m,
    v,
    adjoints,
    input_adjoints,
    sums,
    coefficients,
    blocks,
    sizes,
    constants,
    BLOCK: tl.constexpr,
):
    """Writes the adjoints of gradient and moments, and to rows of `sums` the block's part of those
    of β (J), ρ / β̂ (J), γ, 1 / γ̂ and ℓ. Grid: (blocks, learners)."""
    tile = locate_tile(blocks, sizes, constants, BLOCK)
    moved = move_moments(gradient, m, v, coefficients, tile, constants)
    beta = load_numbers(coefficients.beta, tile, constants)
    weights = load_numbers(coefficients.weights, tile, constants)
    gamma = tl.load(coefficients.gamma + tile.place)
    v_scale = tl.load(coefficients.v_scale + tile.place)
    length = tl.load(coefficients.length + tile.place)
    by_squares = load_numbers(adjoints.sums, tile, constants)
    by_v_sum = tl.load(adjoints.sums + constants.J * tile.n_places + tile.place)
    by_g_sum = tl.load(adjoints.sums + (constants.J + 1) * tile.n_places + tile.place)

    by_direction = load_column(adjoints.direction, tile, constants)
    ratio = moved.mixture * moved.inverse_root
    is_within = (ratio <= constants.BOUND) & (ratio >= -constants.BOUND)
    is_within = is_within & (moved.still == 0)
    by_ratio = tl.where(is_within, by_direction * length, 0.0)
    by_mixture = by_ratio * moved.inverse_root
    square = moved.inverse_root * moved.inverse_root
    by_v_hat = -0.5 * by_mixture * moved.mixture * square
    by_v_hat = tl.where(is_within, by_v_hat, 0.0)

    by_m = load_rows(adjoints.m, tile, constants)
    by_m += by_mixture[None, :] * weights + 2 * moved.m * by_squares
    by_m = tl.where(tile.rows_exist, by_m, 0.0)
    by_v = load_column(adjoints.v, tile, constants) + by_v_hat * v_scale + by_v_sum
    by_v = tl.where(tile.exist, by_v, 0.0)

    by_g = tl.sum((1 - beta) * by_m, 0) + 2 * moved.g * ((1 - gamma) * by_v + by_g_sum)
    store_column(input_adjoints.gradient, by_g, tile)
    store_rows(input_adjoints.m, beta * by_m, tile)
    store_column(input_adjoints.v, gamma * by_v, tile)

    g = moved.g
    store_row_sums(sums, 0, by_m * (moved.old_m - g[None, :]), tile, constants)
    store_row_sums(sums, constants.J, by_mixture[None, :] * moved.m, tile, constants)
    store_sum(sums, 2 * constants.J, by_v * (moved.old_v - g * g), tile)
    store_sum(sums, 2 * constants.J + 1, by_v_hat * moved.v, tile)
    store_sum(sums, 2 * constants.J + 2, by_direction * moved.bounded, tile)
