"""The layers that rules are built of, over candidate-major fields `(n, *batch, p)`; see
`hyperadam.rules.base`.

A linear layer is one matrix product over all coordinates of all learners. The LSTM is TensorFlow's
of the published codes: gates in the order i, j, f, o, one kernel over [input, hidden], a constant
added to the forget gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperadam.rules.base import RuleError, Tensors

Ranges = Mapping[str, tuple[float, float]]
"""The smallest and the largest value of fields by name."""


def linear(weight: Tensor, x: Tensor, bias: Tensor) -> Tensor:
    """`weight @ x + bias` over the first dimension of x; `bias` is (n_out,) or an earlier result
    (n_out, *batch, p)."""
    n_out = weight.shape[0]
    n_inputs, *rest = x.shape
    columns = x.reshape(n_inputs, -1)
    biases = bias[:, None] if bias.dim() == 1 else bias.reshape(n_out, -1)
    return torch.addmm(biases, weight, columns).view(n_out, *rest)


def lstm(
    weight: Tensor,  # shape: (4 H, n_inputs + H)
    bias: Tensor,  # shape: (4 H,)
    x: Tensor,  # shape: (n_inputs, *batch, p)
    hidden: Tensor,  # shape: (H, *batch, p)
    cell: Tensor,  # shape: (H, *batch, p)
    forget_bias: float,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: the new hidden and cell states."""
    n_inputs = x.shape[0]
    of_inputs = linear(weight[:, :n_inputs], x, bias)
    gates = linear(weight[:, n_inputs:], hidden, of_inputs)
    i, j, f, o = gates.chunk(4)
    cell = torch.sigmoid(f + forget_bias) * cell + torch.sigmoid(i) * torch.tanh(j)
    return torch.sigmoid(o) * torch.tanh(cell), cell


@dataclass(frozen=True, kw_only=True)
class LSTMStack:
    """Layers of LSTM on top of each other; their states stand below each other, `(n_layers · H,
    *batch, p)`."""

    n_inputs: int
    n_hidden: int
    """H."""
    n_layers: int
    forget_bias: float

    @property
    def n_states(self) -> int:
        """Rows of the hidden state, and of the cell state."""
        return self.n_layers * self.n_hidden

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of its part of Θ: `lstm.1.weight`, `lstm.1.bias`, `lstm.2.weight`, …"""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(1, self.n_layers + 1):
            n_inputs = self.n_inputs if layer == 1 else self.n_hidden
            shapes[f"lstm.{layer}.weight"] = (4 * self.n_hidden, n_inputs + self.n_hidden)
            shapes[f"lstm.{layer}.bias"] = (4 * self.n_hidden,)
        return shapes

    def step(
        self, theta: Tensors, x: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The last layer's output `(H, *batch, p)`, and the new hidden and cell states."""
        hiddens = list(hidden.split(self.n_hidden))
        cells = list(cell.split(self.n_hidden))
        for layer in range(self.n_layers):
            hiddens[layer], cells[layer] = lstm(
                theta[f"lstm.{layer + 1}.weight"],
                theta[f"lstm.{layer + 1}.bias"],
                x,
                hiddens[layer],
                cells[layer],
                self.forget_bias,
            )
            x = hiddens[layer]
        return x, torch.cat(hiddens), torch.cat(cells)


def draw_theta(
    shapes: Mapping[str, tuple[int, ...]], generator: torch.Generator
) -> dict[str, Tensor]:
    """A Θ as the public codes begin, in float64.

    Kernels of LSTMs are Glorot-uniform, other weights from a normal of std 0.1 truncated at two
    deviations, biases 0.
    """
    theta = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}
    for name, tensor in theta.items():
        if name.startswith("lstm.") and name.endswith(".weight"):
            bound = math.sqrt(6 / sum(tensor.shape))
            tensor.uniform_(-bound, bound, generator=generator)
        elif name.endswith(".weight"):
            torch.nn.init.trunc_normal_(tensor, std=0.1, a=-0.2, b=0.2, generator=generator)
    return theta


def compute_decay_logits(shortest: float, longest: float, n: int) -> Tensor:
    """σ⁻¹(1 − 1/τ) for n time constants τ, log-spaced over [shortest, longest] steps; shape (n,).

    A single one is in the middle.
    """
    first = math.log(shortest)
    last = math.log(longest)
    if n == 1:
        first = (first + last) / 2
        last = first
    log_tau = torch.linspace(first, last, n, dtype=torch.float64)
    return torch.log(torch.expm1(log_tau))


def safe_sqrt(x: Tensor) -> Tensor:
    """√x with derivative 0 at x = 0."""
    positive = x > 0
    return torch.where(positive, torch.sqrt(torch.where(positive, x, 1.0)), 0.0)


def check_ranges(spec: object, ranges: Ranges) -> None:
    """Every named field of a spec lies in its closed range; NaN lies in none.

    Raises:
        RuleError: naming the field.
    """
    for name, (low, high) in ranges.items():
        value = getattr(spec, name)
        if not low <= value <= high:
            raise RuleError(f"{name} must be between {low} and {high}, got {value}", field=name)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """The value is one of the choices.

    Raises:
        RuleError: naming the field and the choices.
    """
    if value not in choices:
        raise RuleError(f"{name} must be one of {', '.join(choices)}, got {value!r}", field=name)
