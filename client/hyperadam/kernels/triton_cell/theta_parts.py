"""Where the parts of Θ begin in its flat vector; its derivative is laid out alike.

preprocess.weight    J
preprocess.bias      J
lstm.weight          4 J × 2 J    gates i, j, f, o by features, then hidden
lstm.bias            4 J
adam_cell.weight     2 J × 2 J    β, γ by s_t, then m_{t−1}
adam_cell.bias       2 J
weight_cell.weight   J × J
weight_cell.bias     J
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl

GATE_I = tl.constexpr(0)
GATE_J = tl.constexpr(1)
GATE_F = tl.constexpr(2)
GATE_O = tl.constexpr(3)
BETA = tl.constexpr(0)
GAMMA = tl.constexpr(1)


@triton.jit
def locate_gate_weight(theta, GATE: tl.constexpr, constants):
    """J rows of 2 J numbers."""
    j: tl.constexpr = constants.J
    return theta + 2 * j + GATE * 2 * j * j


@triton.jit
def locate_gate_bias(theta, GATE: tl.constexpr, constants):
    j: tl.constexpr = constants.J
    return theta + 2 * j + 8 * j * j + GATE * j


@triton.jit
def locate_rate_weight(theta, RATE: tl.constexpr, constants):
    """J rows of 2 J numbers."""
    j: tl.constexpr = constants.J
    return theta + 6 * j + 8 * j * j + RATE * 2 * j * j


@triton.jit
def locate_rate_bias(theta, RATE: tl.constexpr, constants):
    j: tl.constexpr = constants.J
    return theta + 6 * j + 12 * j * j + RATE * j


@triton.jit
def locate_mix_weight(theta, constants):
    """J rows of J numbers."""
    j: tl.constexpr = constants.J
    return theta + 8 * j + 12 * j * j


@triton.jit
def locate_mix_bias(theta, constants):
    j: tl.constexpr = constants.J
    return theta + 8 * j + 13 * j * j
