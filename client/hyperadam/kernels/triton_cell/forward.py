"""A step of the cell in two passes: s_t with its squares; then, the norms known, the moments and
the direction."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.functions import (
    asinh,
    columns,
    elu,
    load_row,
    load_tile,
    matrix,
    narrowed,
    normalized,
    product,
    sigmoid,
    store_tile,
    tanh,
    vector,
    widened,
)


@triton.jit
def features_of(theta, x, J: tl.constexpr, ROWS: tl.constexpr):
    """ELU(W_p x + b_p) of a row x."""
    return elu(vector(theta, J, ROWS) * x[None, :] + vector(theta + J, J, ROWS))


@triton.jit
def gate(theta, GATE: tl.constexpr, features, hidden, J: tl.constexpr, ROWS: tl.constexpr):
    """One of the LSTM's gates i, j, f, o before its activation."""
    weight = theta + 2 * J + GATE * J * 2 * J
    bias = vector(theta + 2 * J + 8 * J * J + GATE * J, J, ROWS)
    of_features = product(matrix(weight, 2 * J, J, ROWS), features)
    return of_features + product(matrix(weight + J, 2 * J, J, ROWS), hidden) + bias


@triton.jit
def rate(theta, HALF: tl.constexpr, s, m, J: tl.constexpr, ROWS: tl.constexpr):
    """β (half 0) or γ (half 1) of the AdamCell before its activation."""
    start = theta + 6 * J + 8 * J * J
    weight = start + HALF * J * 2 * J
    bias = vector(start + 4 * J * J + HALF * J, J, ROWS)
    return (
        product(matrix(weight, 2 * J, J, ROWS), s)
        + product(matrix(weight + J, 2 * J, J, ROWS), m)
        + bias
    )


@triton.jit
def mix_of(theta, hidden, J: tl.constexpr, ROWS: tl.constexpr):
    """The WeightCell before its activation."""
    start = theta + 8 * J + 12 * J * J
    return product(matrix(start, J, J, ROWS), hidden) + vector(start + J * J, J, ROWS)


@triton.jit
def state_cell(
    theta,
    g,
    hidden,
    cell,
    m,
    new_hidden,
    new_cell,
    scales,
    sums,
    p,
    n,
    n_learners,
    n_blocks,
    FORGET_BIAS: tl.constexpr,
    SQUASH: tl.constexpr,
    J: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """First pass: s_t and the LSTM's cell; sums[0:J] of s_t², [J:2J] of m_{t−1}². Grid: (blocks,
    learners)."""
    like: tl.constexpr = theta.dtype.element_ty
    block, learner = tl.program_id(0), tl.program_id(1)
    at, has = columns(block, learner, p, BLOCK)
    x = load_row(g, at, has, like) * tl.load(scales + learner * (1 + 2 * J))
    if SQUASH:
        x = asinh(x)
    features = features_of(theta, x, J, ROWS)
    h = load_tile(hidden, at, has, n, like, J, ROWS)
    i, _ = sigmoid(gate(theta, 0, features, h, J, ROWS))
    j = tanh(gate(theta, 1, features, h, J, ROWS))
    f, _ = sigmoid(gate(theta, 2, features, h, J, ROWS) + FORGET_BIAS)
    o, _ = sigmoid(gate(theta, 3, features, h, J, ROWS))
    c = f * load_tile(cell, at, has, n, like, J, ROWS) + i * j
    s = narrowed(o * tanh(c), new_hidden.dtype.element_ty)
    store_tile(new_cell, c, at, has, n, J, ROWS)
    store_tile(new_hidden, s, at, has, n, J, ROWS)
    stored = tl.where(has[None, :], widened(s, like), 0.0)
    old_m = load_tile(m, at, has, n, like, J, ROWS)
    r = tl.arange(0, ROWS)
    place = sums + (r.to(tl.int64) * n_learners + learner) * n_blocks + block
    tl.store(place, tl.sum(stored * stored, 1).to(tl.float64), mask=r < J)
    tl.store(place + J * n_learners * n_blocks, tl.sum(old_m * old_m, 1).to(tl.float64), mask=r < J)


@triton.jit
def adam_cell(
    theta,
    g,
    hidden,
    m,
    v,
    beta_hat,
    gamma_hat,
    new_m,
    new_v,
    new_beta_hat,
    new_gamma_hat,
    direction,
    scales,
    p,
    n,
    EPSILON: tl.constexpr,
    SQUASH: tl.constexpr,
    NORMALIZE_STATE: tl.constexpr,
    INSIDE_ROOT: tl.constexpr,
    J: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Second pass: moments and direction; `hidden` is s_t. Grid: (blocks, learners)."""
    like: tl.constexpr = theta.dtype.element_ty
    block, learner = tl.program_id(0), tl.program_id(1)
    at, has = columns(block, learner, p, BLOCK)
    own_scales = scales + learner * (1 + 2 * J) + 1
    gradient = load_row(g, at, has, like)[None, :]
    h = load_tile(hidden, at, has, n, like, J, ROWS)
    s = h
    if NORMALIZE_STATE:
        s = normalized(h, vector(own_scales, J, ROWS), SQUASH)
    old_m = load_tile(m, at, has, n, like, J, ROWS)
    m_hat = normalized(old_m, vector(own_scales + J, J, ROWS), SQUASH)
    beta, beta_c = sigmoid(rate(theta, 0, s, m_hat, J, ROWS))
    gamma, gamma_c = sigmoid(rate(theta, 1, s, m_hat, J, ROWS))
    first = beta * old_m + beta_c * gradient
    second = gamma * load_tile(v, at, has, n, like, J, ROWS) + gamma_c * (gradient * gradient)
    first_hat = beta * load_tile(beta_hat, at, has, n, like, J, ROWS) + beta_c
    second_hat = gamma * load_tile(gamma_hat, at, has, n, like, J, ROWS) + gamma_c
    if INSIDE_ROOT:
        inverse_root = 1 / tl.sqrt(second / (second_hat + EPSILON) + EPSILON)
    else:
        inverse_root = 1 / (tl.sqrt(second / (second_hat + EPSILON)) + EPSILON)
    ratio = first / (first_hat + EPSILON) * inverse_root
    mixed = tl.sum(elu(mix_of(theta, h, J, ROWS)) * ratio, 0)
    store_tile(new_m, first, at, has, n, J, ROWS)
    store_tile(new_v, second, at, has, n, J, ROWS)
    store_tile(new_beta_hat, first_hat, at, has, n, J, ROWS)
    store_tile(new_gamma_hat, second_hat, at, has, n, J, ROWS)
    tl.store(direction + at, mixed, mask=has)
