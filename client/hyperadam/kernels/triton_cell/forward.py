"""A step of the cell in two passes: s_t with its squares; then, the norms known, the moments and
the direction."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.functions import elu, normalize, tanh
from hyperadam.kernels.triton_cell.layers import (
    compute_features,
    compute_gates,
    compute_mix,
    compute_rates,
    load_head_scales,
    load_moments,
    prepare_head_inputs,
)
from hyperadam.kernels.triton_cell.tiles import (
    load_row,
    load_tile,
    locate_tile,
    narrow,
    store_sums,
    store_tile,
    widen,
)


@triton.jit
def state_cell(
    theta, gradient, state, new_state, scales, sums, sizes, constants, BLOCK: tl.constexpr
):
    """First pass: s_t and the LSTM's cell, and squares for the norms of s_t and m_{t−1}.

    The squares of s_t go to sums[0:J], those of m_{t−1} to sums[J:2J]. Grid: (blocks, learners).
    """
    block = tl.program_id(0)
    learner = tl.program_id(1)
    tile = locate_tile(block, learner, sizes, BLOCK)

    scale = tl.load(scales + learner * (1 + 2 * constants.J))
    x = normalize(load_row(gradient, tile), scale, constants.SQUASH)
    features = compute_features(theta, x, constants)
    hidden = load_tile(state.hidden, tile, constants)
    gates = compute_gates(theta, features, hidden, constants)

    cell = gates.f * load_tile(state.cell, tile, constants) + gates.i * gates.j
    new_hidden = narrow(gates.o * tanh(cell), new_state.hidden.dtype.element_ty)
    store_tile(new_state.cell, cell, tile, constants)
    store_tile(new_state.hidden, new_hidden, tile, constants)

    s = tl.where(tile.exist[None, :], widen(new_hidden, constants.DTYPE), 0.0)
    m = load_tile(state.m, tile, constants)
    sums_of_m = sums + constants.J * sizes.n_learners * sizes.n_blocks
    store_sums(sums, s * s, learner, block, sizes, constants)
    store_sums(sums_of_m, m * m, learner, block, sizes, constants)


@triton.jit
def adam_cell(
    theta, gradient, state, new_state, direction, scales, sizes, constants, BLOCK: tl.constexpr
):
    """Second pass: moments and direction; the first has written s_t to `new_state`.

    Grid: (blocks, learners).
    """
    block = tl.program_id(0)
    learner = tl.program_id(1)
    tile = locate_tile(block, learner, sizes, BLOCK)

    g = load_row(gradient, tile)[None, :]
    hidden = load_tile(new_state.hidden, tile, constants)
    old = load_moments(state, tile, constants)
    head_scales = load_head_scales(scales, learner, constants)
    inputs = prepare_head_inputs(hidden, old.m, head_scales, constants)
    rates = compute_rates(theta, inputs, constants)

    m = rates.beta * old.m + rates.beta_c * g
    v = rates.gamma * old.v + rates.gamma_c * (g * g)
    beta_hat = rates.beta * old.beta_hat + rates.beta_c
    gamma_hat = rates.gamma * old.gamma_hat + rates.gamma_c
    store_tile(new_state.m, m, tile, constants)
    store_tile(new_state.v, v, tile, constants)
    store_tile(new_state.beta_hat, beta_hat, tile, constants)
    store_tile(new_state.gamma_hat, gamma_hat, tile, constants)

    v_tilde = v / (gamma_hat + constants.EPSILON)
    if constants.INSIDE_ROOT:
        inverse_root = 1 / tl.sqrt(v_tilde + constants.EPSILON)
    else:
        inverse_root = 1 / (tl.sqrt(v_tilde) + constants.EPSILON)
    ratio = m / (beta_hat + constants.EPSILON) * inverse_root
    rho = elu(compute_mix(theta, hidden, constants))
    tl.store(direction + tile.columns, tl.sum(rho * ratio, 0), mask=tile.exist)
