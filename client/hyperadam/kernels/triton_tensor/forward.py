"""Moments and direction of a block of coordinates, and its sums; the equations are those of
`hyperadam.rules.hyperadam_tensor`."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

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


class Coefficients(NamedTuple):
    """What the cells say of each tensor; contiguous."""

    beta: Any
    """β; shape (J, L, k)."""
    weights: Any
    """ρ / β̂; shape (J, L, k)."""
    gamma: Any
    """γ; shape (1, L, k)."""
    v_scale: Any
    """1 / γ̂; shape (1, L, k)."""
    length: Any
    """ℓ; shape (1, L, k)."""
    still_v: Any
    """How large v may be where a coordinate without a gradient stands still; shape (1, L, k)."""


class Moved(NamedTuple):
    """A block after its step, and what its derivative needs."""

    g: Any
    old_m: Any
    old_v: Any
    m: Any
    v: Any
    mixture: Any
    """Σ_j ρ_j m̂_j."""
    inverse_root: Any
    """1 / √(v̂ + ε)."""
    still: Any
    """Where d is 0 for want of a gradient."""
    bounded: Any
    """d / ℓ."""


@triton.jit
def move_moments(gradient, m, v, coefficients, tile, constants):
    g = load_column(gradient, tile, constants)
    old_m = load_rows(m, tile, constants)
    old_v = load_column(v, tile, constants)
    beta = load_numbers(coefficients.beta, tile, constants)
    gamma = tl.load(coefficients.gamma + tile.place)
    new_m = tl.where(tile.rows_exist, g[None, :] + beta * (old_m - g[None, :]), 0.0)
    new_v = g * g + gamma * (old_v - g * g)

    mixture = tl.sum(load_numbers(coefficients.weights, tile, constants) * new_m, 0)
    v_hat = new_v * tl.load(coefficients.v_scale + tile.place)
    inverse_root = 1 / tl.sqrt(v_hat + constants.EPSILON)
    goes_on = new_v > tl.load(coefficients.still_v + tile.place)
    still = (g == 0) & (goes_on == 0)
    ratio = tl.where(still, 0.0, mixture * inverse_root)
    above = tl.where(ratio > constants.BOUND, constants.BOUND, ratio)
    bounded = tl.where(above < -constants.BOUND, -constants.BOUND, above)
    return Moved(g, old_m, old_v, new_m, new_v, mixture, inverse_root, still, bounded)


@triton.jit
def step_coordinates(
    gradient,
    m,
    v,
    new_m,
    new_v,
    direction,
    sums,
    coefficients,
    blocks,
    sizes,
    constants,
    BLOCK: tl.constexpr,
):
    """Writes moments, which may be the old ones' place, the direction, and to rows of `sums` Σ m_j²
    (J), Σ v, Σ g² and how often g is not 0 in the block. Grid: (blocks, learners)."""
    tile = locate_tile(blocks, sizes, constants, BLOCK)
    moved = move_moments(gradient, m, v, coefficients, tile, constants)
    length = tl.load(coefficients.length + tile.place)
    store_rows(new_m, moved.m, tile)
    store_column(new_v, moved.v, tile)
    store_column(direction, length * moved.bounded, tile)
    store_row_sums(sums, 0, moved.m * moved.m, tile, constants)
    store_sum(sums, constants.J, moved.v, tile)
    store_sum(sums, constants.J + 1, moved.g * moved.g, tile)
    store_sum(sums, constants.J + 2, tl.where(moved.g != 0, 1.0, 0.0), tile)
