"""HyperAdam a second time, to hold the first against: plain NumPy in float64, a loop over steps and
candidates.

Written from Algorithm 2 of the paper in the paper's layout, p rows of coordinates and J columns of
candidates, and from the facts about the published codes. It shares no code, no layout and no order
of summation with the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.exp(np.minimum(x, 0.0)) - 1.0)


def hyperadam_directions(
    spec: Mapping[str, Any], theta: Mapping[str, Array], gradients: Array
) -> Array:
    """d_1 … d_T for the gradients g_1 … g_T.

    Args:
        spec: fields of `HyperAdamSpec`.
        theta: name → array, float64.
        gradients: shape (T, p).

    Returns:
        shape (T, p).
    """
    n_steps, p = gradients.shape
    j = spec["n_candidates"]

    def column_normalised(x: Array) -> Array:
        out = np.zeros_like(x)
        for column in range(x.shape[1]):
            square = 0.0
            for entry in x[:, column]:
                square += entry**2
            if spec["normalization"] == "rms":
                square /= p
            square += spec["norm_epsilon"]
            if square > 0:
                out[:, column] = x[:, column] / np.sqrt(square)
        return np.arcsinh(out) if spec["squash"] == "asinh" else out

    def dense(name: str, x: Array) -> Array:
        return x @ theta[f"{name}.weight"].T + theta[f"{name}.bias"]

    hidden = np.zeros((p, j))
    cell = np.zeros((p, j))
    m, v, beta_hat, gamma_hat = (np.zeros((p, j)) for _ in range(4))
    directions = np.zeros((n_steps, p))
    for t in range(n_steps):
        g = gradients[t][:, None]  # (p, 1)

        x = column_normalised(g)
        if spec["preprocessing"]:
            x = elu(dense("preprocess", x))
        if spec["lstm"]:
            h = hidden
            if spec["normalize_lstm"]:
                x = column_normalised(x)
                h = column_normalised(h)
            z = dense("lstm", np.concatenate([x, h], axis=1))
            i = z[:, :j]
            new = z[:, j : 2 * j]
            f = z[:, 2 * j : 3 * j]
            o = z[:, 3 * j :]
            cell = cell * sigmoid(f + spec["forget_bias"]) + sigmoid(i) * np.tanh(new)
            hidden = np.tanh(cell) * sigmoid(o)
        else:
            hidden = np.broadcast_to(x, (p, j)).copy()

        s = column_normalised(hidden) if spec["normalize_state"] else hidden
        rates = sigmoid(dense("adam_cell", np.concatenate([s, column_normalised(m)], axis=1)))
        beta = rates[:, :j]
        gamma = rates[:, j:]
        m = beta * m + (1 - beta) * g
        v = gamma * v + (1 - gamma) * g**2
        beta_hat = beta * beta_hat + (1 - beta)
        gamma_hat = gamma * gamma_hat + (1 - gamma)
        rho = elu(dense("weight_cell", hidden))
        for k in range(j):
            m_tilde = m[:, k] / (beta_hat[:, k] + spec["epsilon"])
            v_tilde = v[:, k] / (gamma_hat[:, k] + spec["epsilon"])
            if spec["epsilon_inside_root"]:
                field = m_tilde / np.sqrt(v_tilde + spec["epsilon"])
            else:
                field = m_tilde / (np.sqrt(v_tilde) + spec["epsilon"])
            directions[t] += rho[:, k] * field
        if spec["skip_zero_gradients"]:
            directions[t][gradients[t] == 0] = 0
        if spec["direction_bound"]:
            directions[t] = np.clip(
                directions[t], -spec["direction_bound"], spec["direction_bound"]
            )
    return directions
