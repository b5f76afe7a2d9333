"""DMoptimizer and RNNprop a second time: plain NumPy in float64, coordinate by coordinate, gate by
gate.

Written from the papers, for one coordinate's scalar gradient at a time. It shares no code, no
layout and no order of summation with the rules; DMoptimizer's input is in the two cases of its
Appendix A.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import copysign, exp, log, sqrt, tanh
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Step = Callable[[float, int], float]


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


class Memory:
    """The LSTM layers of one coordinate."""

    def __init__(self, spec: Mapping[str, Any], theta: Mapping[str, Array]) -> None:
        self.n = spec["n_hidden"]
        self.forget_bias = spec["forget_bias"]
        self.theta = theta
        self.states = [(np.zeros(self.n), np.zeros(self.n)) for _ in range(spec["n_layers"])]

    def read(self, x: Array) -> Array:
        """The last layer's hidden state."""
        for layer, (h, c) in enumerate(self.states):
            kernel = self.theta[f"lstm.{layer + 1}.weight"]
            bias = self.theta[f"lstm.{layer + 1}.bias"]
            inputs = np.concatenate([x, h])
            z = bias + np.array([row @ inputs for row in kernel])
            i, new, f, o = (z[k * self.n : (k + 1) * self.n] for k in range(4))
            c = sigmoid(f + self.forget_bias) * c + sigmoid(i) * np.tanh(new)
            x = sigmoid(o) * np.tanh(c)
            self.states[layer] = x, c
        return x

    def speak(self, x: Array) -> float:
        """The output layer on the last hidden state."""
        weight = self.theta["output.weight"][0]
        bias = self.theta["output.bias"][0]
        return float(weight @ self.read(x) + bias)


def dm_directions(spec: Mapping[str, Any], theta: Mapping[str, Array], gradients: Array) -> Array:
    """d_1 … d_T of `DMSpec` for gradients of shape (T, p); shape (T, p)."""
    k = spec["log_range"]

    def read(g: float) -> tuple[float, float]:
        sign = copysign(1.0, g) if g else 0.0
        if spec["preprocessing"] == "log-sign":
            return log(max(abs(g), 2.0**-126)) / k, sign
        if abs(g) >= exp(-k):
            return log(abs(g)) / k, sign
        return -1.0, exp(k) * g

    def coordinate() -> Step:
        memory = Memory(spec, theta)
        return lambda g, _: spec["output_scale"] * memory.speak(np.array(read(g)))

    return _all(coordinate, gradients)


def rnnprop_directions(
    spec: Mapping[str, Any], theta: Mapping[str, Array], gradients: Array
) -> Array:
    """d_1 … d_T of `RNNpropSpec` for gradients of shape (T, p); shape (T, p)."""
    b1 = spec["beta1"]
    b2 = spec["beta2"]

    def coordinate() -> Step:
        memory = Memory(spec, theta)
        past: list[float] = []

        def step(g: float, t: int) -> float:
            # Moments are weighted sums over the whole past, instead of recursions.
            past.append(g)
            ages = [t - s for s in range(1, t + 1)]
            m = sum((1 - b1) * b1**age * x for age, x in zip(ages, past, strict=True))
            v = sum((1 - b2) * b2**age * x**2 for age, x in zip(ages, past, strict=True))
            m_hat = m / (1 - b1**t)
            v_hat = v / (1 - b2**t)

            root = sqrt(v_hat) + spec["epsilon"]
            inputs = np.array([g / root, m_hat / root])
            z = theta["preprocess.weight"] @ inputs + theta["preprocess.bias"]
            features = np.where(z > 0, z, np.expm1(np.minimum(z, 0)))
            return float(spec["output_scale"] * tanh(memory.speak(features)))

        return step

    return _all(coordinate, gradients)


def _all(coordinate: Callable[[], Step], gradients: Array) -> Array:
    """A fresh coordinate for each column, stepped through its rows."""
    directions = np.zeros_like(gradients)
    for column in range(gradients.shape[1]):
        step = coordinate()
        for t in range(len(gradients)):
            directions[t, column] = step(float(gradients[t, column]), t + 1)
    return directions
