"""The derivative of a tape's step, part B: the LSTM and the preprocessing."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.functions import normalize, tanh
from hyperadam.kernels.triton_cell.layers import compute_features, compute_gates
from hyperadam.kernels.triton_cell.sums import add_block, start_layer_sums, store_layer_sums
from hyperadam.kernels.triton_cell.theta_parts import (
    GATE_F,
    GATE_I,
    GATE_J,
    GATE_O,
    locate_gate_bias,
    locate_gate_weight,
)
from hyperadam.kernels.triton_cell.tiles import (
    add_vector,
    load_matrix,
    load_row,
    load_tile,
    load_vector,
    locate_tile,
    matmul_transposed,
    store_tile,
)


class GateAdjoints(NamedTuple):
    """The derivatives by the gates before their activations, on a tile."""

    i: Any
    j: Any
    f: Any
    o: Any


@triton.jit
def lstm_backward(
    theta, step, adjoint, corrections, partials, sizes, constants, BLOCK: tl.constexpr
):
    """From the adjoint of (s_t, c_t) to that of (s_{t−1}, c_{t−1}). Grid: (programs,)."""
    sums_i = start_layer_sums(constants)
    sums_j = start_layer_sums(constants)
    sums_f = start_layer_sums(constants)
    sums_o = start_layer_sums(constants)
    sum_weight = tl.zeros([constants.ROWS], constants.DTYPE)
    sum_bias = tl.zeros([constants.ROWS], constants.DTYPE)

    for q in range(tl.program_id(0), sizes.n_learners * sizes.n_blocks, tl.num_programs(0)):
        learner = q // sizes.n_blocks
        block = q % sizes.n_blocks
        tile = locate_tile(block, learner, sizes, BLOCK)
        scale = tl.load(step.scales + learner * (1 + 2 * constants.J))
        x = normalize(load_row(step.gradient, tile), scale, constants.SQUASH)
        features = compute_features(theta, x, constants)
        hidden = load_tile(step.state.hidden, tile, constants)

        by_s = load_hidden_adjoint(step, adjoint, corrections, learner, tile, constants)
        gates = compute_gates(theta, features, hidden, constants)
        by = differentiate_gates(gates, by_s, step, adjoint, tile, constants)
        sums_i = add_block(sums_i, by.i, features, hidden)
        sums_j = add_block(sums_j, by.j, features, hidden)
        sums_f = add_block(sums_f, by.f, features, hidden)
        sums_o = add_block(sums_o, by.o, features, hidden)

        by_features = differentiate_gate_inputs(theta, by, constants)
        by_hidden = differentiate_gate_inputs(theta + constants.J, by, constants)
        store_tile(adjoint.hidden, by_hidden, tile, constants)
        by_pre = by_features * tl.where(features > 0, 1.0, features + 1)
        sum_weight += tl.sum(by_pre * x[None, :], 1)
        sum_bias += tl.sum(by_pre, 1)

    row = partials + tl.program_id(0) * constants.N_THETA
    add_vector(row, sum_weight, constants)
    add_vector(row + constants.J, sum_bias, constants)
    store_gate_sums(row, GATE_I, sums_i, constants)
    store_gate_sums(row, GATE_J, sums_j, constants)
    store_gate_sums(row, GATE_F, sums_f, constants)
    store_gate_sums(row, GATE_O, sums_o, constants)


@triton.jit
def load_hidden_adjoint(step, adjoint, corrections, learner, tile, constants):
    """The adjoint of s_t, now with what its norm takes off."""
    by_s = load_tile(adjoint.hidden, tile, constants)
    if constants.NORMALIZE_STATE:
        s = load_tile(step.hidden, tile, constants)
        by_s -= s * load_vector(corrections + learner * 2 * constants.J, constants)
    return by_s


@triton.jit
def differentiate_gates(gates, by_s, step, adjoint, tile, constants):
    """From the adjoint of (s_t, c_t) to that of the gates; writes that of c_{t−1}."""
    old_cell = load_tile(step.state.cell, tile, constants)
    t = tanh(gates.f * old_cell + gates.i * gates.j)
    by_cell = load_tile(adjoint.cell, tile, constants) + by_s * gates.o * (1 - t * t)
    store_tile(adjoint.cell, by_cell * gates.f, tile, constants)
    return GateAdjoints(
        by_cell * gates.j * (gates.i * gates.i_c),
        by_cell * gates.i * (1 - gates.j * gates.j),
        by_cell * old_cell * (gates.f * gates.f_c),
        by_s * t * (gates.o * gates.o_c),
    )


@triton.jit
def differentiate_gate_inputs(theta, by, constants):
    """The adjoint of what the gates see: features, or s_{t−1} where `theta` begins J later."""
    by_i = differentiate_gate_input(theta, GATE_I, by.i, constants)
    by_j = differentiate_gate_input(theta, GATE_J, by.j, constants)
    by_f = differentiate_gate_input(theta, GATE_F, by.f, constants)
    by_o = differentiate_gate_input(theta, GATE_O, by.o, constants)
    return (by_i + by_j) + (by_f + by_o)


@triton.jit
def differentiate_gate_input(theta, GATE: tl.constexpr, by_gate, constants):
    weight = load_matrix(locate_gate_weight(theta, GATE, constants), 2 * constants.J, constants)
    return matmul_transposed(weight, by_gate)


@triton.jit
def store_gate_sums(row, GATE: tl.constexpr, sums, constants):
    """Adds the sums of one gate to a row of dΘ."""
    weight = locate_gate_weight(row, GATE, constants)
    bias = locate_gate_bias(row, GATE, constants)
    store_layer_sums(weight, bias, sums, constants)
