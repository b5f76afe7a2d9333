"""Element-wise functions and tiles. NaN comes out wherever NaN goes in."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def expm1(x):
    """exp(x) − 1 without cancellation near 0: a Taylor polynomial there."""
    terms: tl.constexpr = 17 if x.dtype == tl.float64 else 9
    series = x * 0 + 1
    for k in tl.static_range(terms):
        series = 1 + series * x * (1.0 / (terms + 1 - k))
    return tl.where(tl.abs(x) < 0.5, x * series, tl.exp(x) - 1)


@triton.jit
def tanh(x):
    size = tl.abs(x)
    e = expm1(2 * tl.where(size > 40, 40.0, size))
    return tl.where(x < 0, -1.0, 1.0) * (e / (e + 2))


@triton.jit
def asinh(x):
    """sign(x) log(1 + a) with a = |x| + x²/(1 + √(1 + x²)); near 0 by 2 artanh(a/(2 + a)), as a
    series."""
    size = tl.abs(x)
    a = size + size * size / (1 + tl.sqrt(1 + size * size))
    terms: tl.constexpr = 9 if x.dtype == tl.float64 else 5
    z = a / (2 + a)
    series = z * 0 + 1.0 / (2 * terms + 1)
    for k in tl.static_range(terms):
        series = series * (z * z) + 1.0 / (2 * (terms - 1 - k) + 1)
    return tl.where(x < 0, -1.0, 1.0) * tl.where(a < 0.25, 2 * z * series, tl.log(1 + a))


@triton.jit
def sigmoid(x):
    """The logistic function of x and 1 minus it, both to full relative accuracy."""
    limit: tl.constexpr = 700.0 if x.dtype == tl.float64 else 87.0
    bounded = tl.where(x > limit, limit, tl.where(x < -limit, -limit, x))
    e = tl.exp(-bounded)
    y = 1 / (1 + e)
    return y, e * y


@triton.jit
def elu(x):
    """Its derivative is 1 where x > 0 and ELU(x) + 1 elsewhere."""
    return tl.where(x > 0, x, expm1(tl.where(x > 0, 0.0, x)))


@triton.jit
def normalized(x, scale, SQUASH: tl.constexpr):
    """x over its norm, squashed."""
    y = x * scale
    if SQUASH:
        y = asinh(y)
    return y


@triton.jit
def squash_slope(x, scale, SQUASH: tl.constexpr):
    """The derivative of the squashing function at x over its norm."""
    y = x * scale
    if SQUASH:
        return 1 / tl.sqrt(1 + y * y)
    return y * 0 + 1


@triton.jit
def product(a, b):
    """The matrix product, in full precision."""
    return tl.dot(a, b, input_precision="ieee", out_dtype=a.dtype)


@triton.jit
def columns(block, learner, p, BLOCK: tl.constexpr):
    """Places of a block's coordinates in a row of n, and which of them the learner has."""
    within = block * BLOCK + tl.arange(0, BLOCK)
    return learner.to(tl.int64) * p + within, within < p


@triton.jit
def load_row(row, at, has, like):
    return tl.load(row + at, mask=has, other=0.0).to(like)


@triton.jit
def tile(field, at, has, n, J: tl.constexpr, ROWS: tl.constexpr):
    """Addresses of a field's tile and which of them exist."""
    r = tl.arange(0, ROWS)
    return field + r[:, None].to(tl.int64) * n + at[None, :], (r < J)[:, None] & has[None, :]


@triton.jit
def widened(x, like):
    """A stored number in the dtype of computation."""
    if x.dtype == tl.bfloat16:
        return x.to(tl.float32).to(like)
    return x.to(like)


@triton.jit
def narrowed(x, to):
    """A number as it is stored; bfloat16 is rounded by its bits, to nearest: Triton's interpreter
    would cut it off."""
    if to == tl.bfloat16:
        bits = x.to(tl.float32).to(tl.int32, bitcast=True)
        nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) & -0x10000
        return tl.where(x == x, nearest, 0x7FC00000).to(tl.float32, bitcast=True).to(tl.bfloat16)
    return x.to(to)


@triton.jit
def load_tile(field, at, has, n, like, J: tl.constexpr, ROWS: tl.constexpr):
    addresses, exist = tile(field, at, has, n, J, ROWS)
    return widened(tl.load(addresses, mask=exist, other=0.0), like)


@triton.jit
def store_tile(field, value, at, has, n, J: tl.constexpr, ROWS: tl.constexpr):
    addresses, exist = tile(field, at, has, n, J, ROWS)
    tl.store(addresses, narrowed(value, field.dtype.element_ty), mask=exist)


@triton.jit
def vector(start, J: tl.constexpr, ROWS: tl.constexpr):
    """J numbers as a column, padded."""
    r = tl.arange(0, ROWS)
    return tl.load(start + r, mask=r < J, other=0.0)[:, None]


@triton.jit
def matrix(start, STRIDE: tl.constexpr, J: tl.constexpr, ROWS: tl.constexpr):
    """A J × J part of a matrix with rows of STRIDE numbers, padded."""
    r = tl.arange(0, ROWS)
    return tl.load(
        start + r[:, None] * STRIDE + r[None, :],
        mask=(r < J)[:, None] & (r < J)[None, :],
        other=0.0,
    )


@triton.jit
def add_vector(start, value, J: tl.constexpr, ROWS: tl.constexpr):
    """Adds a column of ROWS numbers to J numbers in memory."""
    r = tl.arange(0, ROWS)
    tl.store(start + r, tl.load(start + r, mask=r < J, other=0.0) + value, mask=r < J)


@triton.jit
def add_matrix(start, value, STRIDE: tl.constexpr, J: tl.constexpr, ROWS: tl.constexpr):
    """Adds to a J × J part of a matrix in memory."""
    r = tl.arange(0, ROWS)
    addresses, exist = start + r[:, None] * STRIDE + r[None, :], (r < J)[:, None] & (r < J)[None, :]
    tl.store(addresses, tl.load(addresses, mask=exist, other=0.0) + value, mask=exist)
