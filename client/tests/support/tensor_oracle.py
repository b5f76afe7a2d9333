"""The rule with its cells a tensor, a second time: plain NumPy in float64, tensor by tensor.

Written from the equations. It shares no code and no layout with the rule: each tensor is run alone,
moments are weighted sums over the whole past instead of recursions, and there is no state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def tensor_directions(
    spec: Mapping[str, Any],
    theta: Mapping[str, Array],
    w: Array,
    shapes: Sequence[Sequence[int]],
    gradients: Array,
) -> Array:
    """d_1 … d_T.

    Args:
        spec: fields of `HyperAdamTensorSpec`.
        theta: name → array, float64.
        w: the weights at the start, shape (p,).
        shapes: of the tensors in w.
        gradients: shape (T, p).

    Returns:
        shape (T, p).
    """
    bounds = np.cumsum([prod(shape) for shape in shapes])[:-1]
    parts = zip(shapes, np.split(w, bounds), np.split(gradients, bounds, axis=1), strict=True)
    tensors = [TensorOracle(spec, theta, shape, start) for shape, start, _ in parts]
    if spec["sees_network"]:
        for tensor in tensors:
            tensor.surroundings = describe_surroundings(tensor, tensors)
    pasts = np.split(gradients, bounds, axis=1)
    columns = [tensor.run(past) for tensor, past in zip(tensors, pasts, strict=True)]
    return np.concatenate(columns, axis=1)


def describe_surroundings(tensor: TensorOracle, tensors: Sequence[TensorOracle]) -> list[float]:
    """What a tensor is told of itself and of its network."""
    k = len(tensors)
    gains = [log(other.gain) for other in tensors if other.is_relative]
    return [
        log(tensor.fan_out) / 5 - 0.7,
        float(tensor.is_scale),
        sum(other.is_scale for other in tensors) / k,
        log(k) / 2 - 1,
        sum(gains) / max(1, len(gains)) / 2,
    ]


class TensorOracle:
    """One tensor of a learner."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        theta: Mapping[str, Array],
        shape: Sequence[int],
        start: Array,
    ) -> None:
        self.spec = spec
        self.theta = theta
        self.start_rms = np.sqrt(np.mean(start**2))
        self.role = {0: 3, 1: 3, 2: 0, 3: 1}.get(len(shape), 2)
        if len(shape) == 3:
            self.fan_in = shape[2]
        else:
            self.fan_in = prod(shape[1:])
        self.fan_out = 1 if self.role == 3 else shape[1] if self.role == 1 else shape[0]
        self.is_scale = self.role == 3 and self.start_rms > 0
        self.surroundings: list[float] = []
        self.is_relative = self.role != 3 and self.start_rms > 0
        self.gain = self.start_rms * self.fan_in**0.5 if self.is_relative else 1.0

    def run(self, gradients: Array) -> Array:
        """Directions of all steps, (T, length)."""
        n = self.spec["n_candidates"]
        betas: list[Array] = []
        gamma = float(sigmoid(self.theta["adam_cell.bias"][n]))
        ratios = np.zeros(n + 1)
        zero_share = v_mean = 0.0
        directions = []
        for t in range(1, len(gradients) + 1):
            hidden = self.read(ratios, t)
            decays = self.theta["adam_cell.weight"] @ hidden + self.theta["adam_cell.bias"][:n]
            betas.append(sigmoid(decays))
            m_hat = np.array([average(gradients[:t], [b[j] for b in betas]) for j in range(n)])
            v_hat = average(gradients[:t] ** 2, [gamma] * t)
            still = gradients[t - 1] == 0
            v = v_hat * (1 - gamma**t)
            if self.spec["sparse_above"] < zero_share < 1:
                still &= v <= v_mean / 100
            directions.append(self.combine(hidden, m_hat, v_hat, still))
            zero_share, v_mean = float((gradients[t - 1] == 0).mean()), float(v.mean())

            squares = [*(m_hat**2).mean(1), (gradients[t - 1] ** 2).mean()]
            if v_hat.mean() > 0:
                quotients = np.array(squares) / (v_hat.mean() + self.spec["epsilon"])
                ratios = 0.5 * np.log(quotients + 1e-8)
        return np.array(directions)

    def read(self, ratios: Array, t: int) -> Array:
        """h of step t."""
        role = [float(self.role == number) for number in range(4)]
        clocks = [log(t) / 4 - 0.7, min(t / 20, 1) - 0.5]
        shape = [log(self.fan_in) / 5 - 0.7, log(self.gain) / 2]
        x = np.array([*(ratios / 2), *clocks, *shape, *role, *self.surroundings])
        return np.tanh(self.theta["state_cell.weight"] @ x + self.theta["state_cell.bias"])

    def combine(self, hidden: Array, m_hat: Array, v_hat: Array, still: NDArray[Any]) -> Array:
        """d of one step."""
        growth = np.exp(self.theta["weight_cell.weight"] @ hidden)
        rho = self.theta["weight_cell.bias"] * growth
        mixture = (rho @ m_hat) / np.sqrt(v_hat + self.spec["epsilon"])
        mixture[still] = 0.0
        bound = self.spec["direction_bound"]

        bias = self.theta["length.bias"][self.role if self.is_relative else 3]
        length = np.exp(bias + self.theta["length.weight"][0] @ hidden)
        unit = 1.0
        if self.is_relative:
            a, b = self.theta["length.exponents"][:2]
            unit = self.start_rms * self.gain**a * (self.fan_in / 64) ** b
        unit *= np.exp(self.theta["length.exponents"][2:] @ np.array(self.surroundings))
        return np.asarray(unit * length * np.clip(mixture, -bound, bound))


def average(past: Array, decays: Sequence[float]) -> Array:
    """The weighted mean of g_1 … g_t in which g_s has (1 − β_s) β_{s+1} … β_t."""
    weights = [(1 - decays[s]) * prod(decays[s + 1 :]) for s in range(len(decays))]
    total = sum(weight * g for weight, g in zip(weights, past, strict=True))
    return np.asarray(total / sum(weights))
