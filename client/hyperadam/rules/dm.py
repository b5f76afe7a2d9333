"""DMoptimizer's rule (Andrychowicz et al.: Learning to learn by gradient descent by gradient
descent, NIPS 2016).

Every coordinate has an LSTM of its own, all with the same Θ, that reads the gradient and says the
step:

    x_t = [ log(max(|g|, e^−k)) / k,  clip(e^k g, −1, 1) ]      input, Appendix A
    h_t = LSTM(LSTM(x_t))                                       two layers of 20
    d_t = 0.1 · (w_o · h_t + b_o)

The input, as the 2016 paper prints it, is (log|g|/k, sign g) for |g| ≥ e^−k and (−1, e^k g) below;
the line above is the same without cases (`preprocessing="clipped"`). Later texts shorten it to the
first case for all g (`"log-sign"`), whose logarithm has no floor; there |g| counts as 2⁻¹²⁶ or
more, so that a gradient of 0 gives a finite input. The paper's letter for k is p, which here counts
coordinates.

Direction: the published codes add their output to w, we take w ← w − α d as for every rule.
Negating w_o and b_o turns one into the other, and both are drawn symmetrically: training learns
either. α = 1 gives the published scale.

Unlike HyperAdam, the rule may move a coordinate whose gradient is 0, as published: biases and
memory speak too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Literal, NamedTuple

import torch
from torch import Tensor

from hyperadam.rules.base import Insight, Rule, Shapes, Tensors
from hyperadam.rules.layers import LSTMStack, Ranges, check_choice, check_ranges, draw_theta, linear

_SMALLEST: Final = 2.0**-126
"""The smallest normal number of float32."""


@dataclass(frozen=True, kw_only=True)
class DMSpec:
    """Every choice of the rule."""

    kind: Literal["dm"] = "dm"
    preprocessing: Literal["clipped", "log-sign"] = "clipped"
    """The input: [log(max(|g|, e^−k))/k, clip(e^k g, −1, 1)], or [log|g|/k, sign g]."""
    log_range: float = 10.0
    """k of the input; 0.1 to 80. `clipped` tells gradients apart down to e^−k."""
    n_hidden: int = 20
    """H, units of each layer; 1 to 64."""
    n_layers: int = 2
    """LSTM layers; 1 to 4."""
    forget_bias: float = 1.0
    """Added to the forget gates; −100 to 100."""
    output_scale: float = 0.1
    """What the last layer's output is multiplied by; 1e-6 to 1000."""

    RANGES: ClassVar[Ranges] = {
        "log_range": (0.1, 80),
        "n_hidden": (1, 64),
        "n_layers": (1, 4),
        "forget_bias": (-100, 100),
        "output_scale": (1e-6, 1000),
    }
    """The smallest and the largest value of each number."""

    def __post_init__(self) -> None:
        check_choice("preprocessing", self.preprocessing, ("clipped", "log-sign"))
        check_ranges(self, self.RANGES)


class DMState(NamedTuple):
    """What DMoptimizer carries from step to step; 4 H numbers a coordinate with 2 layers. All zeros
    at first."""

    hidden: Tensor
    """Hidden states of the layers, one layer after the other; shape (n_layers · H, *batch, p)."""
    cell: Tensor
    """Cell states likewise; shape (n_layers · H, *batch, p)."""


class DMRule(Rule[DMState]):
    """The DMoptimizer update as a pure function; see the module's docstring for the equations."""

    kind = "dm"
    inits = ("paper",)

    def __init__(self, spec: DMSpec | None = None) -> None:
        self._spec = spec or DMSpec()

    @property
    def spec(self) -> DMSpec:
        return self._spec

    @cached_property
    def _lstm(self) -> LSTMStack:
        spec = self.spec
        return LSTMStack(
            n_inputs=2, n_hidden=spec.n_hidden, n_layers=spec.n_layers, forget_bias=spec.forget_bias
        )

    @property
    def theta_shapes(self) -> dict[str, tuple[int, ...]]:
        return self._lstm.shapes | {"output.weight": (1, self.spec.n_hidden), "output.bias": (1,)}

    def init_theta(self, generator: torch.Generator, init: str = "paper") -> dict[str, Tensor]:
        """A fresh Θ.

        `paper`: LSTM kernels Glorot-uniform, the output layer from a normal of std 0.01 truncated
        at two deviations, biases 0: the untrained optimizer hardly moves.
        """
        check_choice("init", init, self.inits)
        theta = draw_theta(self.theta_shapes, generator)
        theta["output.weight"] *= 0.1
        return theta

    def init_state(self, w: Tensor, shapes: Shapes | None = None) -> DMState:  # noqa: ARG002
        shape = (self._lstm.n_states, *w.shape)
        return DMState(hidden=w.new_zeros(shape), cell=w.new_zeros(shape))

    def update(
        self,
        theta: Tensors,
        gradient: Tensor,  # shape: (*batch, p)
        state: DMState,
    ) -> tuple[Tensor, DMState]:
        x = self.prepare_inputs(gradient)
        output, hidden, cell = self._lstm.step(theta, x, state.hidden, state.cell)
        return self._read_direction(theta, output), DMState(hidden, cell)

    def look_inside(self, theta: Tensors, state: DMState) -> Insight:
        """The direction is the last step's."""
        return Insight(self._read_direction(theta, state.hidden[-self.spec.n_hidden :]))

    def _read_direction(self, theta: Tensors, output: Tensor) -> Tensor:
        """d, of what the last LSTM says; shape (*batch, p)."""
        step = linear(theta["output.weight"], output, theta["output.bias"])[0]
        return self.spec.output_scale * step

    def prepare_inputs(self, gradient: Tensor) -> Tensor:
        """x_t, what the first LSTM sees; shape (2, *batch, p)."""
        k = self.spec.log_range
        if self.spec.preprocessing == "log-sign":
            size = gradient.abs().clamp_min(_SMALLEST).log() / k
            sign = gradient.sign()
        else:
            size = gradient.abs().clamp_min(math.exp(-k)).log() / k
            sign = (gradient * math.exp(k)).clamp(-1, 1)
        return torch.stack([size, sign])
