"""The derivative of a tape's step, part A: the direction, the moments, AdamCell and WeightCell.

As in `native/backward.c`: gates, rates and moments are computed again from the states of the tape,
and the adjoint of the state is all that is carried from step to step. What the norms add to it
needs a dot product over a whole learner: `dots` takes each block's part, and what comes of them is
taken off in the next part (`corrections`). `by.x` and `by_x` are derivatives by x.

A program goes through every PROGRAMS-th block and adds its sums of dΘ to a row of its own: nothing
depends on the order in which programs run.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.functions import elu, squash_slope
from hyperadam.kernels.triton_cell.layers import (
    Moments,
    compute_mix,
    compute_rates,
    load_head_scales,
    load_moments,
    prepare_head_inputs,
)
from hyperadam.kernels.triton_cell.sums import add_block, start_layer_sums, store_layer_sums
from hyperadam.kernels.triton_cell.theta_parts import (
    BETA,
    GAMMA,
    locate_mix_bias,
    locate_mix_weight,
    locate_rate_bias,
    locate_rate_weight,
)
from hyperadam.kernels.triton_cell.tiles import (
    add_matrix,
    add_vector,
    load_matrix,
    load_row,
    load_tile,
    load_vector,
    locate_tile,
    matmul_transposed,
    outer,
    store_sums,
    store_tile,
)


class MomentField(NamedTuple):
    """The moment field m̂_t of a tile, and what its derivative is made of."""

    m: Any
    """m_t."""
    m_tilde: Any
    """m_t / (β̂_t + ε)."""
    v_tilde: Any
    """v_t / (γ̂_t + ε)."""
    inverse_beta_hat: Any
    """1 / (β̂_t + ε)."""
    inverse_gamma_hat: Any
    """1 / (γ̂_t + ε)."""
    inverse_root: Any
    """1 / √(ṽ + ε), or 1 / (√ṽ + ε)."""
    ratio: Any
    """m̂_t."""


class Heads(NamedTuple):
    """A step's heads on a tile, computed again."""

    gradient: Any
    old: Any
    """The moments of step t − 1."""
    scales: Any
    inputs: Any
    rates: Any
    field: Any
    mix: Any
    """The WeightCell before its activation."""


class HeadAdjoints(NamedTuple):
    """The derivatives by β, γ and ρ before their activations, and by m_{t−1} by way of m_t."""

    beta: Any
    gamma: Any
    mix: Any
    old_m: Any


@triton.jit
def heads_backward(
    theta,
    step,
    upstream,
    adjoint,
    corrections,
    dots,
    partials,
    sizes,
    constants,
    BLOCK: tl.constexpr,
):
    """From the adjoint of (s_t, m_t, …) to that of s_t, all but its norm's part, and of m_{t−1}, ….

    `corrections` are those of step t + 1; zeros after the last step. Grid: (programs,).
    """
    sums_beta = start_layer_sums(constants)
    sums_gamma = start_layer_sums(constants)
    sum_mix = tl.zeros([constants.ROWS, constants.ROWS], constants.DTYPE)
    sum_mix_bias = tl.zeros([constants.ROWS], constants.DTYPE)
    dots_of_m = dots + constants.J * sizes.n_learners * sizes.n_blocks

    for q in range(tl.program_id(0), sizes.n_learners * sizes.n_blocks, tl.num_programs(0)):
        learner = q // sizes.n_blocks
        block = q % sizes.n_blocks
        tile = locate_tile(block, learner, sizes, BLOCK)

        heads = recompute_heads(theta, step, learner, tile, constants)
        by = differentiate_direction(
            heads, upstream, adjoint, corrections, learner, tile, constants
        )
        sums_beta = add_block(sums_beta, by.beta, heads.inputs.s, heads.inputs.m_hat)
        sums_gamma = add_block(sums_gamma, by.gamma, heads.inputs.s, heads.inputs.m_hat)
        sum_mix += outer(by.mix, heads.inputs.hidden)
        sum_mix_bias += tl.sum(by.mix, 1)

        hidden_dots = pass_on_to_hidden(theta, heads, by, adjoint, tile, constants)
        m_dots = pass_on_to_m(theta, heads, by, adjoint, tile, constants)
        store_sums(dots, hidden_dots, learner, block, sizes, constants)
        store_sums(dots_of_m, m_dots, learner, block, sizes, constants)

    row = partials + tl.program_id(0) * constants.N_THETA
    store_rate_sums(row, BETA, sums_beta, constants)
    store_rate_sums(row, GAMMA, sums_gamma, constants)
    add_matrix(locate_mix_weight(row, constants), sum_mix, constants.J, constants)
    add_vector(locate_mix_bias(row, constants), sum_mix_bias, constants)


@triton.jit
def recompute_heads(theta, step, learner, tile, constants):
    gradient = load_row(step.gradient, tile)[None, :]
    hidden = load_tile(step.hidden, tile, constants)
    old = load_moments(step.state, tile, constants)
    scales = load_head_scales(step.scales, learner, constants)
    inputs = prepare_head_inputs(hidden, old.m, scales, constants)
    rates = compute_rates(theta, inputs, constants)
    field = compute_moment_field(old, rates, gradient, constants)
    mix = compute_mix(theta, hidden, constants)
    return Heads(gradient, old, scales, inputs, rates, field, mix)


@triton.jit
def compute_moment_field(old, rates, gradient, constants):
    m = rates.beta * old.m + rates.beta_c * gradient
    v = rates.gamma * old.v + rates.gamma_c * (gradient * gradient)
    inverse_beta_hat = 1 / (rates.beta * old.beta_hat + rates.beta_c + constants.EPSILON)
    inverse_gamma_hat = 1 / (rates.gamma * old.gamma_hat + rates.gamma_c + constants.EPSILON)
    m_tilde = m * inverse_beta_hat
    v_tilde = v * inverse_gamma_hat
    if constants.INSIDE_ROOT:
        inverse_root = 1 / tl.sqrt(v_tilde + constants.EPSILON)
    else:
        inverse_root = 1 / (tl.sqrt(v_tilde) + constants.EPSILON)
    ratio = m_tilde * inverse_root
    return MomentField(
        m, m_tilde, v_tilde, inverse_beta_hat, inverse_gamma_hat, inverse_root, ratio
    )


@triton.jit
def differentiate_direction(heads, upstream, adjoint, corrections, learner, tile, constants):
    """From d_t = Σ_j ρ_j m̂_j to the heads; writes the adjoints of v_{t−1}, β̂_{t−1}, γ̂_{t−1}."""
    old = heads.old
    rates = heads.rates
    gradient = heads.gradient
    by_direction = load_row(upstream, tile)[None, :]
    rho = elu(heads.mix)
    by_mix = by_direction * heads.field.ratio * tl.where(heads.mix > 0, 1.0, rho + 1)

    m_correction = load_vector(corrections + learner * 2 * constants.J + constants.J, constants)
    by_ratio = by_direction * rho
    by = differentiate_moments(by_ratio, heads.field, adjoint, m_correction, tile, constants)
    store_tile(adjoint.v, by.v * rates.gamma, tile, constants)
    store_tile(adjoint.beta_hat, by.beta_hat * rates.beta, tile, constants)
    store_tile(adjoint.gamma_hat, by.gamma_hat * rates.gamma, tile, constants)

    by_beta = by.m * (old.m - gradient) + by.beta_hat * (old.beta_hat - 1)
    by_gamma = by.v * (old.v - gradient * gradient) + by.gamma_hat * (old.gamma_hat - 1)
    return HeadAdjoints(
        by_beta * rates.beta * rates.beta_c,
        by_gamma * rates.gamma * rates.gamma_c,
        by_mix,
        by.m * rates.beta,
    )


@triton.jit
def differentiate_moments(by_ratio, field, adjoint, m_correction, tile, constants):
    """The adjoint of m_t, v_t, β̂_t, γ̂_t: what step t + 1 has left there, and m̂_t's part."""
    if constants.INSIDE_ROOT:
        inverse_square = field.inverse_root * field.inverse_root
        by_v_tilde = -0.5 * by_ratio * field.ratio * inverse_square
    else:
        root = tl.sqrt(field.v_tilde)
        slope = tl.where(root > 0, 0.5 / tl.where(root > 0, root, 1.0), 0.0)
        by_v_tilde = -(by_ratio * field.ratio * field.inverse_root * slope)
    by_m = by_ratio * field.inverse_root * field.inverse_beta_hat
    by_v = by_v_tilde * field.inverse_gamma_hat
    return Moments(
        load_tile(adjoint.m, tile, constants) - field.m * m_correction + by_m,
        load_tile(adjoint.v, tile, constants) + by_v,
        load_tile(adjoint.beta_hat, tile, constants) - by_m * field.m_tilde,
        load_tile(adjoint.gamma_hat, tile, constants) - by_v * field.v_tilde,
    )


@triton.jit
def pass_on_to_hidden(theta, heads, by, adjoint, tile, constants):
    """Writes the adjoint of s_t, all but its norm's part; what the norm needs, before its sum."""
    hidden = heads.inputs.hidden
    scale = heads.scales.hidden
    mix_rows = load_matrix(locate_mix_weight(theta, constants), constants.J, constants)
    by_hidden = load_tile(adjoint.hidden, tile, constants) + matmul_transposed(mix_rows, by.mix)
    by_s = differentiate_rate_inputs(theta, by, constants)
    dots = by_s * 0
    if constants.NORMALIZE_STATE:
        by_s = by_s * squash_slope(hidden, scale, constants.SQUASH) * scale
        dots = by_s * hidden
    store_tile(adjoint.hidden, by_hidden + by_s, tile, constants)
    return dots


@triton.jit
def pass_on_to_m(theta, heads, by, adjoint, tile, constants):
    """Writes the adjoint of m_{t−1}, likewise."""
    m = heads.old.m
    scale = heads.scales.m
    by_m_hat = differentiate_rate_inputs(theta + constants.J, by, constants)
    by_m = by_m_hat * squash_slope(m, scale, constants.SQUASH) * scale
    store_tile(adjoint.m, by.old_m + by_m, tile, constants)
    return by_m * m


@triton.jit
def differentiate_rate_inputs(theta, by, constants):
    """The adjoint of what the rates see: s, or m̂ where `theta` begins J numbers later."""
    beta_rows = load_matrix(locate_rate_weight(theta, BETA, constants), 2 * constants.J, constants)
    gamma_rows = load_matrix(
        locate_rate_weight(theta, GAMMA, constants), 2 * constants.J, constants
    )
    return matmul_transposed(beta_rows, by.beta) + matmul_transposed(gamma_rows, by.gamma)


@triton.jit
def store_rate_sums(row, RATE: tl.constexpr, sums, constants):
    """Adds the sums of one rate to a row of dΘ."""
    weight = locate_rate_weight(row, RATE, constants)
    bias = locate_rate_bias(row, RATE, constants)
    store_layer_sums(weight, bias, sums, constants)
