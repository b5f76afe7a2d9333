"""RNNprop's rule (Lv, Jiang, Li: Learning gradient descent: better generalization and longer
horizons, ICML 2017).

An LSTM in every coordinate, all with the same Θ, reads what RMSProp and Adam would do and says the
step:

    m_t = β₁ m_{t−1} + (1 − β₁) g,    m̂_t = m_t / (1 − β₁^t)
    v_t = β₂ v_{t−1} + (1 − β₂) g²,   v̂_t = v_t / (1 − β₂^t)
    x_t = [ g / (√v̂_t + ε),  m̂_t / (√v̂_t + ε) ]       input: the same for c g, up to ε
    h_t = LSTM(LSTM(ELU(W_p x_t + b_p)))               two layers of 20
    d_t = 0.1 · tanh(w_o · h_t + b_o)                  no step is longer than 0.1 α

Direction: the published code adds its output to w, we take w ← w − α d as for every rule. Negating
w_o and b_o turns one into the other, and both are drawn symmetrically: training learns either.
α = 1 gives the published scale.

Unlike HyperAdam, the rule may move a coordinate whose gradient is 0, as published: biases and
memory speak too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperadam.rules.base import Insight, Rule, Shapes, Tensors
from hyperadam.rules.layers import (
    LSTMStack,
    Ranges,
    check_choice,
    check_ranges,
    draw_theta,
    linear,
    safe_sqrt,
)


@dataclass(frozen=True, kw_only=True)
class RNNpropSpec:
    """Every choice of the rule."""

    kind: Literal["rnnprop"] = "rnnprop"
    beta1: float = 0.95
    """β₁, decay rate of the first moment; 0 to 0.9999."""
    beta2: float = 0.95
    """β₂, decay rate of the second moment; 0 to 0.9999."""
    epsilon: float = 1e-8
    """ε, outside the root; 1e-16 to 1."""
    n_hidden: int = 20
    """H, units of the linear layer and of each LSTM layer; 1 to 64."""
    n_layers: int = 2
    """LSTM layers; 1 to 4."""
    forget_bias: float = 1.0
    """Added to the forget gates; −100 to 100."""
    output_scale: float = 0.1
    """What the tanh is multiplied by: the longest step; 1e-6 to 1000."""

    RANGES: ClassVar[Ranges] = {
        "beta1": (0, 0.9999),
        "beta2": (0, 0.9999),
        "epsilon": (1e-16, 1),
        "n_hidden": (1, 64),
        "n_layers": (1, 4),
        "forget_bias": (-100, 100),
        "output_scale": (1e-6, 1000),
    }
    """The smallest and the largest value of each number."""

    def __post_init__(self) -> None:
        check_ranges(self, self.RANGES)


class RNNpropState(NamedTuple):
    """What RNNprop carries from step to step; 4 H + 4 numbers a coordinate with 2 layers. All zeros
    at first."""

    hidden: Tensor
    """Hidden states of the layers, one layer after the other; shape (n_layers · H, *batch, p)."""
    cell: Tensor
    """Cell states likewise; shape (n_layers · H, *batch, p)."""
    m: Tensor
    """First moment m_t; shape (1, *batch, p)."""
    v: Tensor
    """Second moment v_t; shape (1, *batch, p)."""
    beta1_hat: Tensor
    """1 − β₁^t, for each coordinate by its own number of steps; shape (1, *batch, p)."""
    beta2_hat: Tensor
    """1 − β₂^t likewise; shape (1, *batch, p)."""


class RNNpropRule(Rule[RNNpropState]):
    """The RNNprop update as a pure function; see the module's docstring for the equations."""

    kind = "rnnprop"
    non_negative_fields = frozenset({"v", "beta1_hat", "beta2_hat"})
    inits = ("paper",)

    def __init__(self, spec: RNNpropSpec | None = None) -> None:
        self._spec = spec or RNNpropSpec()

    @property
    def spec(self) -> RNNpropSpec:
        return self._spec

    @cached_property
    def _lstm(self) -> LSTMStack:
        spec = self.spec
        return LSTMStack(
            n_inputs=spec.n_hidden,
            n_hidden=spec.n_hidden,
            n_layers=spec.n_layers,
            forget_bias=spec.forget_bias,
        )

    @property
    def theta_shapes(self) -> dict[str, tuple[int, ...]]:
        h = self.spec.n_hidden
        before = {"preprocess.weight": (h, 2), "preprocess.bias": (h,)}
        return before | self._lstm.shapes | {"output.weight": (1, h), "output.bias": (1,)}

    def init_theta(self, generator: torch.Generator, init: str = "paper") -> dict[str, Tensor]:
        """A fresh Θ.

        `paper`: LSTM kernels Glorot-uniform, linear layers from a normal truncated at two
        deviations, of std 0.1 and for the output layer 0.01, biases 0: the untrained optimizer
        hardly moves.
        """
        check_choice("init", init, self.inits)
        theta = draw_theta(self.theta_shapes, generator)
        theta["output.weight"] *= 0.1
        return theta

    def init_state(self, w: Tensor, shapes: Shapes | None = None) -> RNNpropState:  # noqa: ARG002
        def zeros(n: int) -> Tensor:
            return w.new_zeros((n, *w.shape))

        n = self._lstm.n_states
        return RNNpropState(
            hidden=zeros(n),
            cell=zeros(n),
            m=zeros(1),
            v=zeros(1),
            beta1_hat=zeros(1),
            beta2_hat=zeros(1),
        )

    def update(
        self,
        theta: Tensors,
        gradient: Tensor,  # shape: (*batch, p)
        state: RNNpropState,
    ) -> tuple[Tensor, RNNpropState]:
        spec = self.spec
        g = gradient[None]
        one = gradient.new_ones(())
        m = torch.lerp(g, state.m, spec.beta1)
        v = torch.lerp(g * g, state.v, spec.beta2)
        beta1_hat = torch.lerp(one, state.beta1_hat, spec.beta1)
        beta2_hat = torch.lerp(one, state.beta2_hat, spec.beta2)

        root = safe_sqrt(v / beta2_hat) + spec.epsilon
        x = torch.cat([g / root, m / beta1_hat / root])
        x = F.elu(linear(theta["preprocess.weight"], x, theta["preprocess.bias"]))
        output, hidden, cell = self._lstm.step(theta, x, state.hidden, state.cell)
        direction = self._read_direction(theta, output)
        return direction, RNNpropState(hidden, cell, m, v, beta1_hat, beta2_hat)

    def look_inside(self, theta: Tensors, state: RNNpropState) -> Insight:
        """The direction is the last step's; the decay rates are constants of the spec."""
        direction = self._read_direction(theta, state.hidden[-self.spec.n_hidden :])
        beta = torch.full_like(direction[None], self.spec.beta1)
        gamma = torch.full_like(direction[None], self.spec.beta2)
        return Insight(direction, None, beta, gamma)

    def _read_direction(self, theta: Tensors, output: Tensor) -> Tensor:
        """d, of what the last LSTM says; shape (*batch, p)."""
        step = linear(theta["output.weight"], output, theta["output.bias"])[0]
        return self.spec.output_scale * torch.tanh(step)
