"""Element-wise functions. NaN comes out wherever NaN goes in."""

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
    bounded = tl.where(size > 40, 40.0, size)
    e = expm1(2 * bounded)
    sign = tl.where(x < 0, -1.0, 1.0)
    return sign * (e / (e + 2))


@triton.jit
def asinh(x):
    """sign(x) log(1 + a) with a = |x| + x²/(1 + √(1 + x²)).

    Near 0 it is sign(x) 2 artanh(a/(2 + a)), as a series.
    """
    size = tl.abs(x)
    a = size + size * size / (1 + tl.sqrt(1 + size * size))
    terms: tl.constexpr = 9 if x.dtype == tl.float64 else 5
    z = a / (2 + a)
    series = z * 0 + 1.0 / (2 * terms + 1)
    for k in tl.static_range(terms):
        series = series * (z * z) + 1.0 / (2 * (terms - 1 - k) + 1)
    near = 2 * z * series
    sign = tl.where(x < 0, -1.0, 1.0)
    return sign * tl.where(a < 0.25, near, tl.log(1 + a))


@triton.jit
def sigmoid(x):
    """The logistic function of x and 1 minus it, both to full relative accuracy."""
    limit: tl.constexpr = 700.0 if x.dtype == tl.float64 else 87.0
    not_below = tl.where(x < -limit, -limit, x)
    bounded = tl.where(x > limit, limit, not_below)
    e = tl.exp(-bounded)
    y = 1 / (1 + e)
    return y, e * y


@triton.jit
def elu(x):
    """Its derivative is 1 where x > 0 and ELU(x) + 1 elsewhere."""
    not_above = tl.where(x > 0, 0.0, x)
    return tl.where(x > 0, x, expm1(not_above))


@triton.jit
def normalize(x, scale, SQUASH: tl.constexpr):
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
