"""The derivative of a tape's step in two parts: the heads and the moments, and the LSTM.

As in `native/backward.c`: gates, rates and moments are computed again from the states of the tape,
`adjoint` (the six fields of a state) is all that is carried from step to step, and what the norms
add needs a dot product over a learner, so it is taken off in the next part (`corrections`). A
program goes through every PROGRAMS-th block and adds its sums of dΘ to a row of its own: nothing
depends on the order in which programs run.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.forward import features_of, gate, mix_of, rate
from hyperadam.kernels.triton_cell.functions import (
    add_matrix,
    add_vector,
    columns,
    elu,
    load_row,
    load_tile,
    matrix,
    normalized,
    product,
    sigmoid,
    squash_slope,
    store_tile,
    tanh,
    vector,
)


@triton.jit
def heads_backward(
    theta,
    g,
    upstream,
    hidden,
    m,
    v,
    beta_hat,
    gamma_hat,
    adjoint,
    scales,
    corrections,
    dots,
    partials,
    p,
    n,
    n_learners,
    n_blocks,
    N_THETA: tl.constexpr,
    EPSILON: tl.constexpr,
    SQUASH: tl.constexpr,
    NORMALIZE_STATE: tl.constexpr,
    INSIDE_ROOT: tl.constexpr,
    J: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """From the adjoint of (s_t, m_t, …) to that of s_t, all but its norm's part, and of m_{t−1}, ….
    Grid: (programs,).

    `hidden` is s_t, the moments are those of t − 1, `corrections` those of step t + 1 (zeros after
    the last step).
    """
    like: tl.constexpr = theta.dtype.element_ty
    r = tl.arange(0, ROWS)
    w_adam, w_mix = theta + 6 * J + 8 * J * J, theta + 8 * J + 12 * J * J
    sum_beta_s = tl.zeros([ROWS, ROWS], like)
    sum_beta_m = tl.zeros([ROWS, ROWS], like)
    sum_gamma_s = tl.zeros([ROWS, ROWS], like)
    sum_gamma_m = tl.zeros([ROWS, ROWS], like)
    sum_mix = tl.zeros([ROWS, ROWS], like)
    bias_beta = tl.zeros([ROWS], like)
    bias_gamma = tl.zeros([ROWS], like)
    bias_mix = tl.zeros([ROWS], like)
    field = J * n
    for q in range(tl.program_id(0), n_learners * n_blocks, tl.num_programs(0)):
        learner, block = q // n_blocks, q % n_blocks
        at, has = columns(block, learner, p, BLOCK)
        own_scales = scales + learner * (1 + 2 * J) + 1
        s_scale, m_scale = vector(own_scales, J, ROWS), vector(own_scales + J, J, ROWS)
        gradient = load_row(g, at, has, like)[None, :]
        u = load_row(upstream, at, has, like)[None, :]
        h = load_tile(hidden, at, has, n, like, J, ROWS)
        s = h
        if NORMALIZE_STATE:
            s = normalized(h, s_scale, SQUASH)
        old_m = load_tile(m, at, has, n, like, J, ROWS)
        old_v = load_tile(v, at, has, n, like, J, ROWS)
        old_b = load_tile(beta_hat, at, has, n, like, J, ROWS)
        old_c = load_tile(gamma_hat, at, has, n, like, J, ROWS)
        m_hat = normalized(old_m, m_scale, SQUASH)
        beta, beta_c = sigmoid(rate(theta, 0, s, m_hat, J, ROWS))
        gamma, gamma_c = sigmoid(rate(theta, 1, s, m_hat, J, ROWS))
        mix = mix_of(theta, h, J, ROWS)
        rho = elu(mix)
        new_m = beta * old_m + beta_c * gradient
        inverse_b = 1 / (beta * old_b + beta_c + EPSILON)
        inverse_c = 1 / (gamma * old_c + gamma_c + EPSILON)
        m_tilde = new_m * inverse_b
        v_tilde = (gamma * old_v + gamma_c * (gradient * gradient)) * inverse_c
        if INSIDE_ROOT:
            inverse_root = 1 / tl.sqrt(v_tilde + EPSILON)
        else:
            root = tl.sqrt(v_tilde)
            inverse_root = 1 / (root + EPSILON)
        ratio = m_tilde * inverse_root

        by_mix = u * ratio * tl.where(mix > 0, 1.0, rho + 1)
        by_ratio = u * rho
        if INSIDE_ROOT:
            by_v_tilde = -0.5 * by_ratio * ratio * (inverse_root * inverse_root)
        else:
            slope = tl.where(root > 0, 0.5 / tl.where(root > 0, root, 1.0), 0.0)
            by_v_tilde = -(by_ratio * ratio * inverse_root * slope)
        by_m_scaled = by_ratio * inverse_root * inverse_b
        by_v_scaled = by_v_tilde * inverse_c
        m_correction = vector(corrections + learner * 2 * J + J, J, ROWS)
        by_m = (
            load_tile(adjoint + 2 * field, at, has, n, like, J, ROWS)
            - new_m * m_correction
            + by_m_scaled
        )
        by_v = load_tile(adjoint + 3 * field, at, has, n, like, J, ROWS) + by_v_scaled
        by_b = load_tile(adjoint + 4 * field, at, has, n, like, J, ROWS) - by_m_scaled * m_tilde
        by_c = load_tile(adjoint + 5 * field, at, has, n, like, J, ROWS) - by_v_scaled * v_tilde
        by_beta = (by_m * (old_m - gradient) + by_b * (old_b - 1)) * beta * beta_c
        by_gamma = (by_v * (old_v - gradient * gradient) + by_c * (old_c - 1)) * gamma * gamma_c
        store_tile(adjoint + 3 * field, by_v * gamma, at, has, n, J, ROWS)
        store_tile(adjoint + 4 * field, by_b * beta, at, has, n, J, ROWS)
        store_tile(adjoint + 5 * field, by_c * gamma, at, has, n, J, ROWS)

        sum_beta_s += product(by_beta, tl.trans(s))
        sum_beta_m += product(by_beta, tl.trans(m_hat))
        sum_gamma_s += product(by_gamma, tl.trans(s))
        sum_gamma_m += product(by_gamma, tl.trans(m_hat))
        sum_mix += product(by_mix, tl.trans(h))
        bias_beta += tl.sum(by_beta, 1)
        bias_gamma += tl.sum(by_gamma, 1)
        bias_mix += tl.sum(by_mix, 1)

        by_s = product(tl.trans(matrix(w_adam, 2 * J, J, ROWS)), by_beta)
        by_s += product(tl.trans(matrix(w_adam + 2 * J * J, 2 * J, J, ROWS)), by_gamma)
        by_m_hat = product(tl.trans(matrix(w_adam + J, 2 * J, J, ROWS)), by_beta)
        by_m_hat += product(tl.trans(matrix(w_adam + 2 * J * J + J, 2 * J, J, ROWS)), by_gamma)
        by_h = load_tile(adjoint, at, has, n, like, J, ROWS) + product(
            tl.trans(matrix(w_mix, J, J, ROWS)), by_mix
        )
        s_dot = by_s * 0
        if NORMALIZE_STATE:
            by_s = by_s * squash_slope(h, s_scale, SQUASH) * s_scale
            s_dot = by_s * h
        z = by_m_hat * squash_slope(old_m, m_scale, SQUASH) * m_scale
        store_tile(adjoint, by_h + by_s, at, has, n, J, ROWS)
        store_tile(adjoint + 2 * field, by_m * beta + z, at, has, n, J, ROWS)
        place = dots + (r.to(tl.int64) * n_learners + learner) * n_blocks + block
        tl.store(place, tl.sum(s_dot, 1).to(tl.float64), mask=r < J)
        tl.store(place + J * n_learners * n_blocks, tl.sum(z * old_m, 1).to(tl.float64), mask=r < J)

    row = partials + tl.program_id(0) * N_THETA
    adam, mixed = row + 6 * J + 8 * J * J, row + 8 * J + 12 * J * J
    add_matrix(adam, sum_beta_s, 2 * J, J, ROWS)
    add_matrix(adam + J, sum_beta_m, 2 * J, J, ROWS)
    add_matrix(adam + 2 * J * J, sum_gamma_s, 2 * J, J, ROWS)
    add_matrix(adam + 2 * J * J + J, sum_gamma_m, 2 * J, J, ROWS)
    add_vector(adam + 4 * J * J, bias_beta, J, ROWS)
    add_vector(adam + 4 * J * J + J, bias_gamma, J, ROWS)
    add_matrix(mixed, sum_mix, J, J, ROWS)
    add_vector(mixed + J * J, bias_mix, J, ROWS)


@triton.jit
def add_outer(of_features, of_hidden, of_bias, delta, features, hidden):
    """The sums of one gate's part of dΘ, with one more block."""
    of_features += product(delta, tl.trans(features))
    of_hidden += product(delta, tl.trans(hidden))
    return of_features, of_hidden, of_bias + tl.sum(delta, 1)


@triton.jit
def back(weight, GATE: tl.constexpr, delta, J: tl.constexpr, ROWS: tl.constexpr):
    """The adjoint of a gate's input: features, or hidden where `weight` begins J numbers later."""
    return product(tl.trans(matrix(weight + GATE * J * 2 * J, 2 * J, J, ROWS)), delta)


@triton.jit
def add_gate(
    row, GATE: tl.constexpr, of_features, of_hidden, of_bias, J: tl.constexpr, ROWS: tl.constexpr
):
    start = row + 2 * J + GATE * J * 2 * J
    add_matrix(start, of_features, 2 * J, J, ROWS)
    add_matrix(start + J, of_hidden, 2 * J, J, ROWS)
    add_vector(row + 2 * J + 8 * J * J + GATE * J, of_bias, J, ROWS)


@triton.jit
def lstm_backward(
    theta,
    g,
    hidden,
    cell,
    new_hidden,
    adjoint,
    scales,
    corrections,
    partials,
    p,
    n,
    n_learners,
    n_blocks,
    N_THETA: tl.constexpr,
    FORGET_BIAS: tl.constexpr,
    SQUASH: tl.constexpr,
    NORMALIZE_STATE: tl.constexpr,
    J: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """From the adjoint of (s_t, c_t) to that of (s_{t−1}, c_{t−1}); `new_hidden` is s_t. Grid:
    (programs,)."""
    like: tl.constexpr = theta.dtype.element_ty
    w_lstm = theta + 2 * J
    features_i = tl.zeros([ROWS, ROWS], like)
    features_j = tl.zeros([ROWS, ROWS], like)
    features_f = tl.zeros([ROWS, ROWS], like)
    features_o = tl.zeros([ROWS, ROWS], like)
    hidden_i = tl.zeros([ROWS, ROWS], like)
    hidden_j = tl.zeros([ROWS, ROWS], like)
    hidden_f = tl.zeros([ROWS, ROWS], like)
    hidden_o = tl.zeros([ROWS, ROWS], like)
    bias_i = tl.zeros([ROWS], like)
    bias_j = tl.zeros([ROWS], like)
    bias_f = tl.zeros([ROWS], like)
    bias_o = tl.zeros([ROWS], like)
    weight_pre = tl.zeros([ROWS], like)
    bias_pre = tl.zeros([ROWS], like)
    field = J * n
    for q in range(tl.program_id(0), n_learners * n_blocks, tl.num_programs(0)):
        learner, block = q // n_blocks, q % n_blocks
        at, has = columns(block, learner, p, BLOCK)
        x = normalized(load_row(g, at, has, like), tl.load(scales + learner * (1 + 2 * J)), SQUASH)
        features = features_of(theta, x, J, ROWS)
        h = load_tile(hidden, at, has, n, like, J, ROWS)
        i, i_c = sigmoid(gate(theta, 0, features, h, J, ROWS))
        j = tanh(gate(theta, 1, features, h, J, ROWS))
        f, f_c = sigmoid(gate(theta, 2, features, h, J, ROWS) + FORGET_BIAS)
        o, o_c = sigmoid(gate(theta, 3, features, h, J, ROWS))
        old = load_tile(cell, at, has, n, like, J, ROWS)
        t = tanh(f * old + i * j)
        by_s = load_tile(adjoint, at, has, n, like, J, ROWS)
        if NORMALIZE_STATE:
            s = load_tile(new_hidden, at, has, n, like, J, ROWS)
            by_s -= s * vector(corrections + learner * 2 * J, J, ROWS)
        by_c = load_tile(adjoint + field, at, has, n, like, J, ROWS) + by_s * o * (1 - t * t)
        by_i = by_c * j * (i * i_c)
        by_j = by_c * i * (1 - j * j)
        by_f = by_c * old * (f * f_c)
        by_o = by_s * t * (o * o_c)
        store_tile(adjoint + field, by_c * f, at, has, n, J, ROWS)

        features_i, hidden_i, bias_i = add_outer(features_i, hidden_i, bias_i, by_i, features, h)
        features_j, hidden_j, bias_j = add_outer(features_j, hidden_j, bias_j, by_j, features, h)
        features_f, hidden_f, bias_f = add_outer(features_f, hidden_f, bias_f, by_f, features, h)
        features_o, hidden_o, bias_o = add_outer(features_o, hidden_o, bias_o, by_o, features, h)

        by_features = back(w_lstm, 0, by_i, J, ROWS) + back(w_lstm, 1, by_j, J, ROWS)
        by_features += back(w_lstm, 2, by_f, J, ROWS) + back(w_lstm, 3, by_o, J, ROWS)
        by_hidden = back(w_lstm + J, 0, by_i, J, ROWS) + back(w_lstm + J, 1, by_j, J, ROWS)
        by_hidden += back(w_lstm + J, 2, by_f, J, ROWS) + back(w_lstm + J, 3, by_o, J, ROWS)
        store_tile(adjoint, by_hidden, at, has, n, J, ROWS)
        by_pre = by_features * tl.where(features > 0, 1.0, features + 1)
        weight_pre += tl.sum(by_pre * x[None, :], 1)
        bias_pre += tl.sum(by_pre, 1)

    row = partials + tl.program_id(0) * N_THETA
    add_vector(row, weight_pre, J, ROWS)
    add_vector(row + J, bias_pre, J, ROWS)
    add_gate(row, 0, features_i, hidden_i, bias_i, J, ROWS)
    add_gate(row, 1, features_j, hidden_j, bias_j, J, ROWS)
    add_gate(row, 2, features_f, hidden_f, bias_f, J, ROWS)
    add_gate(row, 3, features_o, hidden_o, bias_o, J, ROWS)
