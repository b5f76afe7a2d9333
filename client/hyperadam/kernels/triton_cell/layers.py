"""The layers of the cell on one tile: what both passes of a step and its derivative compute."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.functions import elu, normalize, sigmoid, tanh
from hyperadam.kernels.triton_cell.theta_parts import (
    BETA,
    GAMMA,
    GATE_F,
    GATE_I,
    GATE_J,
    GATE_O,
    locate_gate_bias,
    locate_gate_weight,
    locate_mix_bias,
    locate_mix_weight,
    locate_rate_bias,
    locate_rate_weight,
)
from hyperadam.kernels.triton_cell.tiles import load_matrix, load_tile, load_vector, matmul


class Gates(NamedTuple):
    """The LSTM's gates; `_c`: 1 minus the gate, to full relative accuracy."""

    i: Any
    i_c: Any
    j: Any
    f: Any
    f_c: Any
    o: Any
    o_c: Any


class HeadScales(NamedTuple):
    """One over the norms of a learner's s_t and m_{t−1}, as columns."""

    hidden: Any
    m: Any


class HeadInputs(NamedTuple):
    """What AdamCell and WeightCell see in a tile."""

    hidden: Any
    """s_t."""
    s: Any
    """The same over its norm, if the spec says so."""
    m_hat: Any
    """m_{t−1} over its norm."""


class Rates(NamedTuple):
    """β_t and γ_t, and 1 minus them to full relative accuracy."""

    beta: Any
    beta_c: Any
    gamma: Any
    gamma_c: Any


class Moments(NamedTuple):
    """The fields of a state that the rates move."""

    m: Any
    v: Any
    beta_hat: Any
    gamma_hat: Any


@triton.jit
def compute_features(theta, x, constants):
    """ELU(W_p x + b_p) of a row x."""
    weight = load_vector(theta, constants)
    bias = load_vector(theta + constants.J, constants)
    return elu(weight * x[None, :] + bias)


@triton.jit
def compute_gate(theta, GATE: tl.constexpr, features, hidden, constants):
    """One of the LSTM's gates i, j, f, o before its activation."""
    j: tl.constexpr = constants.J
    weight = locate_gate_weight(theta, GATE, constants)
    bias = load_vector(locate_gate_bias(theta, GATE, constants), constants)
    of_features = matmul(load_matrix(weight, 2 * j, constants), features)
    of_hidden = matmul(load_matrix(weight + j, 2 * j, constants), hidden)
    return of_features + of_hidden + bias


@triton.jit
def compute_gates(theta, features, hidden, constants):
    i, i_c = sigmoid(compute_gate(theta, GATE_I, features, hidden, constants))
    j = tanh(compute_gate(theta, GATE_J, features, hidden, constants))
    f, f_c = sigmoid(
        compute_gate(theta, GATE_F, features, hidden, constants) + constants.FORGET_BIAS
    )
    o, o_c = sigmoid(compute_gate(theta, GATE_O, features, hidden, constants))
    return Gates(i, i_c, j, f, f_c, o, o_c)


@triton.jit
def compute_rate(theta, RATE: tl.constexpr, inputs, constants):
    """β or γ of the AdamCell before its activation."""
    j: tl.constexpr = constants.J
    weight = locate_rate_weight(theta, RATE, constants)
    bias = load_vector(locate_rate_bias(theta, RATE, constants), constants)
    of_state = matmul(load_matrix(weight, 2 * j, constants), inputs.s)
    of_moments = matmul(load_matrix(weight + j, 2 * j, constants), inputs.m_hat)
    return of_state + of_moments + bias


@triton.jit
def compute_rates(theta, inputs, constants):
    beta, beta_c = sigmoid(compute_rate(theta, BETA, inputs, constants))
    gamma, gamma_c = sigmoid(compute_rate(theta, GAMMA, inputs, constants))
    return Rates(beta, beta_c, gamma, gamma_c)


@triton.jit
def compute_mix(theta, hidden, constants):
    """The WeightCell before its activation."""
    weight = load_matrix(locate_mix_weight(theta, constants), constants.J, constants)
    return matmul(weight, hidden) + load_vector(locate_mix_bias(theta, constants), constants)


@triton.jit
def load_head_scales(scales, learner, constants):
    start = scales + learner * (1 + 2 * constants.J) + 1
    return HeadScales(load_vector(start, constants), load_vector(start + constants.J, constants))


@triton.jit
def load_moments(state, tile, constants):
    return Moments(
        load_tile(state.m, tile, constants),
        load_tile(state.v, tile, constants),
        load_tile(state.beta_hat, tile, constants),
        load_tile(state.gamma_hat, tile, constants),
    )


@triton.jit
def prepare_head_inputs(hidden, m, scales, constants):
    s = hidden
    if constants.NORMALIZE_STATE:
        s = normalize(hidden, scales.hidden, constants.SQUASH)
    m_hat = normalize(m, scales.m, constants.SQUASH)
    return HeadInputs(hidden, s, m_hat)
