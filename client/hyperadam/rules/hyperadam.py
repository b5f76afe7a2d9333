"""HyperAdam's cell (Wang, Sun, Xu: HyperAdam, AAAI 2019, Algorithm 2 and Figure 1).

J Adams with learned, state-dependent decay rates are run side by side in every coordinate and mixed
with learned weights:

    ĝ   = g / ‖g‖                                        normalisation, Section 3.2
    s_t = LSTM(ELU(W_p ĝ + b_p), s_{t−1})                StateCell, line 8
    [β_t, γ_t] = σ(W_a [s_t, m_{t−1}/‖m_{t−1}‖] + b_a)   AdamCell, lines 9–10, Eqs. (3)–(4)
    m_t = β_t m_{t−1} + (1 − β_t) g                      lines 11–14, Eq. (5)
    v_t = γ_t v_{t−1} + (1 − γ_t) g²
    β̂_t = β_t β̂_{t−1} + (1 − β_t)                        = 1 − β^t for constant β (Lemma 1)
    γ̂_t = γ_t γ̂_{t−1} + (1 − γ_t)
    m̂_t = (m_t/β̂_t) / √(v_t/γ̂_t + ε)                     moment field, lines 15–16
    ρ_t = ELU(W_w s_t + b_w)                             weight field, WeightCell, line 17, Eq. (6)
    d_t = Σ_j ρ_t^j m̂_t^j                                line 18, Eq. (7)

With `skip_zero_gradients`, d_t is 0 where g = 0; with `direction_bound` b, it is within ± b.

All coordinates share Θ = {W_p, b_p, W_lstm, b_lstm, W_a, b_a, W_w, b_w}. The published codes differ
in details that the paper leaves open; each is a field of `HyperAdamSpec`, so that a Θ is always run
by the rule it was trained with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperadam.rules.base import CoordinateSums, Insight, Rule, Shapes, Tensors
from hyperadam.rules.layers import (
    Ranges,
    check_choice,
    check_ranges,
    compute_decay_logits,
    draw_theta,
    linear,
    lstm,
    safe_sqrt,
)


@dataclass(frozen=True, kw_only=True)
class HyperAdamSpec:
    """Every choice of the cell. The defaults are those of the authors' TensorFlow code of 2019."""

    kind: Literal["hyperadam"] = "hyperadam"
    n_candidates: int = 20
    """J, the number of Adams that are mixed; 1 to 64."""
    normalization: Literal["euclidean", "rms"] = "euclidean"
    """What a vector x over p coordinates is divided by: ‖x‖₂ (the paper), or ‖x‖₂/√p, which does
    not depend on p."""
    norm_epsilon: float = 1e-16
    """Added to the squared norm before its root; 0 to 1. With 0, an all-zero vector is mapped to
    zeros."""
    squash: Literal["none", "asinh"] = "none"
    """Function on every normalised entry; asinh bounds the tails that RMS normalisation leaves."""
    normalize_state: bool = True
    """Whether s_t is normalised per candidate before it enters the AdamCell (both public codes; not
    in the paper)."""
    normalize_lstm: bool = False
    """Whether the LSTM's input and hidden state are normalised per candidate (the authors' later
    PyTorch code)."""
    preprocessing: bool = True
    """The linear layer with ELU before the LSTM (off: ablation of Figure 8a)."""
    lstm: bool = True
    """The LSTM of the StateCell (off: ablation of Figure 8a; s_t is then its input)."""
    forget_bias: float = 1.0
    """Added to the LSTM's forget gate; −100 to 100."""
    epsilon: float = 1e-24
    """ε of the moment field; 1e-25 to 1 (below that, the derivative of the root overflows
    float32)."""
    epsilon_inside_root: bool = True
    """√(ṽ + ε) (both public codes) or √ṽ + ε (as the paper prints it)."""
    skip_zero_gradients: bool = False
    """Whether a coordinate stands still while its gradient is exactly 0, as that of a dead ReLU or
    of a pixel that is black. With γ < β² its √v is forgotten sooner than its m, whose ratio then
    grows without end: the weights of a unit that sleeps for some tens of steps wander off to
    thousands, and are there when it wakes."""
    direction_bound: float = 0.0
    """b, up to 1e6: directions are within ± b; 0: they have no bound. Most are within ± Σ_j |ρ_j|,
    as Adam's are within about ± 1. But a gradient that falls by many orders of magnitude without
    being 0, or comes back after that, has a ratio m̂/√v̂ of thousands."""

    RANGES: ClassVar[Ranges] = {
        "n_candidates": (1, 64),
        "norm_epsilon": (0, 1),
        "forget_bias": (-100, 100),
        "epsilon": (1e-25, 1),
        "direction_bound": (0, 1e6),
    }
    """The smallest and the largest value of each number."""

    def __post_init__(self) -> None:
        check_choice("normalization", self.normalization, ("euclidean", "rms"))
        check_choice("squash", self.squash, ("none", "asinh"))
        check_ranges(self, self.RANGES)


class HyperAdamState(NamedTuple):
    """What HyperAdam carries from step to step; 6 J numbers a coordinate. All zeros before the
    first step."""

    hidden: Tensor
    """s_t, the task state; shape (J, *batch, p)."""
    cell: Tensor
    """The LSTM's cell state; shape (J, *batch, p), or (0, *batch, p) without LSTM."""
    m: Tensor
    """First moments m_t; shape (J, *batch, p)."""
    v: Tensor
    """Second moments v_t; shape (J, *batch, p)."""
    beta_hat: Tensor
    """Bias factors β̂_t of m; shape (J, *batch, p)."""
    gamma_hat: Tensor
    """Bias factors γ̂_t of v; shape (J, *batch, p)."""


class HyperAdamRule(Rule[HyperAdamState]):
    """The HyperAdam update as a pure function; see the module's docstring for the equations.

    Exactly scale invariant up to ε: `update(Θ, c·g, ·)` gives the same directions for c > 0 while
    |c·g| stays well above √ε and inside the range of the dtype's squares. A zero gradient gives a
    zero direction as long as m is zero.
    """

    kind = "hyperadam"
    joins_parameters = True
    non_negative_fields = frozenset({"v", "beta_hat", "gamma_hat"})

    def __init__(
        self, spec: HyperAdamSpec | None = None, sums: CoordinateSums | None = None
    ) -> None:
        """
        Args:
            spec: every choice of the cell; None: the defaults.
            sums: over coordinates of which others have some; None: all are in one vector.
        """
        self._spec = spec or HyperAdamSpec()
        self._sums = sums

    @property
    def spec(self) -> HyperAdamSpec:
        return self._spec

    @property
    def sums(self) -> CoordinateSums | None:
        """Over coordinates of which others have some, if they do."""
        return self._sums

    def with_sums(self, sums: CoordinateSums) -> HyperAdamRule:
        return HyperAdamRule(self._spec, sums)

    @property
    def inits(self) -> tuple[str, ...]:
        """`warm-ensemble` needs an LSTM, which is its clock."""
        if self.spec.lstm:
            return ("adam-ensemble", "paper", "warm-ensemble")
        return ("adam-ensemble", "paper")

    @property
    def theta_shapes(self) -> dict[str, tuple[int, ...]]:
        j = self.spec.n_candidates
        shapes: dict[str, tuple[int, ...]] = {}
        if self.spec.preprocessing:
            shapes |= {"preprocess.weight": (j, 1), "preprocess.bias": (j,)}
        if self.spec.lstm:
            n_inputs = j if self.spec.preprocessing else 1
            # Rows: gates i, j, f, o.
            shapes |= {"lstm.weight": (4 * j, n_inputs + j), "lstm.bias": (4 * j,)}
        return shapes | {
            "adam_cell.weight": (2 * j, 2 * j),  # rows: β then γ; columns: s_t then m_{t−1}
            "adam_cell.bias": (2 * j,),
            "weight_cell.weight": (j, j),
            "weight_cell.bias": (j,),
        }

    @property
    def stands_still(self) -> bool:
        return self.spec.skip_zero_gradients

    @property
    def direction_bound(self) -> float:
        return self.spec.direction_bound

    def init_theta(
        self, generator: torch.Generator, init: str = "adam-ensemble"
    ) -> dict[str, Tensor]:
        """A fresh Θ.

        `paper`: linear layers from a normal of std 0.1 truncated at two deviations with zero
        biases, LSTM kernel Glorot-uniform. All decay rates start at 0.5 and all weights near 0: the
        untrained optimizer hardly moves.

        `adam-ensemble`: the same draws, but the AdamCell's biases make β_j = 1 − 1/τ_j with τ
        log-spaced over 1.1…100 and γ_j likewise over 3…1000, the WeightCell's biases are 4/J, and
        the weights of both are small (× 0.3, × 0.1): the untrained optimizer is the mean of J good
        Adams, at α = 0.005 with a rate of 0.02.

        `warm-ensemble`: the same, but the weights of the mixture rise from near 0 to 5/J as
        tanh(t/10): a warm-up of α, which Θ may then learn to shorten or prolong. The LSTM's first
        unit tells the time. It sees nothing but its own cell, which grows by 0.1 a step, and
        nothing sees it but the WeightCell, whose biases are 0.
        """
        check_choice("init", init, self.inits)
        theta = draw_theta(self.theta_shapes, generator)
        if init == "paper":
            return theta

        j = self.spec.n_candidates
        beta_logits = compute_decay_logits(1.1, 100, j)
        gamma_logits = compute_decay_logits(3, 1000, j)
        theta["adam_cell.weight"] *= 0.3
        theta["adam_cell.bias"].copy_(torch.cat([beta_logits, gamma_logits]))
        theta["weight_cell.weight"] *= 0.1
        theta["weight_cell.bias"].fill_(4 / j)
        if init == "warm-ensemble":
            self._set_clock(theta, growth=0.1, total=5.0)
        return theta

    def _set_clock(self, theta: dict[str, Tensor], growth: float, total: float) -> None:
        """Makes the LSTM's first unit a clock.

        Then h_t = σ(3) tanh(growth · t) nearly, and Σ_j ρ_j = total · h_t / σ(3).
        """
        j = self.spec.n_candidates
        weight = theta["lstm.weight"]
        bias = theta["lstm.bias"]
        open_gate = 1 / (1 + math.exp(-3))

        # The unit sees nothing but its own cell, and no other unit sees it.
        gates = torch.arange(4) * j  # of the first unit: i, j, f, o
        n_inputs = weight.shape[1] - j
        weight[gates] = 0.0
        weight[:, n_inputs] = 0.0
        gate_biases = [3.0, math.atanh(growth / open_gate), 6.0 - self.spec.forget_bias, 3.0]
        bias[gates] = torch.tensor(gate_biases).to(bias)

        # Of the heads, the WeightCell alone sees it.
        theta["adam_cell.weight"][:, 0] = 0.0
        theta["weight_cell.weight"][:, 0] = total / (j * open_gate)
        theta["weight_cell.bias"].zero_()

    def init_state(self, w: Tensor, shapes: Shapes | None = None) -> HyperAdamState:  # noqa: ARG002
        def zeros(n: int) -> Tensor:
            return w.new_zeros((n, *w.shape))

        j = self.spec.n_candidates
        n_cell = j if self.spec.lstm else 0
        return HyperAdamState(
            hidden=zeros(j),
            cell=zeros(n_cell),
            m=zeros(j),
            v=zeros(j),
            beta_hat=zeros(j),
            gamma_hat=zeros(j),
        )

    def update(
        self,
        theta: Tensors,
        gradient: Tensor,  # shape: (*batch, p)
        state: HyperAdamState,
    ) -> tuple[Tensor, HyperAdamState]:
        hidden, cell = self._run_state_cell(theta, gradient, state)
        beta, gamma = self._run_adam_cell(theta, hidden, state.m)

        m = torch.lerp(gradient.expand_as(beta), state.m, beta)
        v = torch.lerp((gradient * gradient).expand_as(gamma), state.v, gamma)
        one = gradient.new_ones(())
        beta_hat = torch.lerp(one, state.beta_hat, beta)
        gamma_hat = torch.lerp(one, state.gamma_hat, gamma)

        after = HyperAdamState(hidden, cell, m, v, beta_hat, gamma_hat)
        direction = self._mix(self._run_weight_cell(theta, hidden), after)
        if self.stands_still:
            direction = direction.masked_fill(gradient == 0, 0.0)
        return direction, after

    def look_inside(self, theta: Tensors, state: HyperAdamState) -> Insight:
        """The direction is the last step's, but for coordinates that stood still; decay rates are
        of the present s and m."""
        rho = self._run_weight_cell(theta, state.hidden)
        beta, gamma = self._run_adam_cell(theta, state.hidden, state.m)
        return Insight(self._mix(rho, state), rho, beta, gamma)

    def _run_weight_cell(self, theta: Tensors, hidden: Tensor) -> Tensor:
        """ρ_t; shape (J, *batch, p)."""
        return F.elu(linear(theta["weight_cell.weight"], hidden, theta["weight_cell.bias"]))

    def _mix(self, rho: Tensor, state: HyperAdamState) -> Tensor:
        """Σ_j ρ_j m̂_j, within the bound; shape (*batch, p)."""
        field = self._compute_moment_field(state.m, state.v, state.beta_hat, state.gamma_hat)
        mixture = (rho * field).sum(0)
        bound = self.direction_bound
        return mixture.clamp(-bound, bound) if bound else mixture

    def _run_state_cell(
        self, theta: Tensors, gradient: Tensor, state: HyperAdamState
    ) -> tuple[Tensor, Tensor]:
        """s_t and the LSTM's cell, shapes (J, *batch, p)."""
        spec = self.spec
        x = self._normalize(gradient)[None]
        if spec.preprocessing:
            x = F.elu(linear(theta["preprocess.weight"], x, theta["preprocess.bias"]))
        if not spec.lstm:
            return x.expand(spec.n_candidates, *gradient.shape), state.cell

        h = state.hidden
        if spec.normalize_lstm:
            x = self._normalize(x)
            h = self._normalize(h)
        return lstm(theta["lstm.weight"], theta["lstm.bias"], x, h, state.cell, spec.forget_bias)

    def _run_adam_cell(
        self,
        theta: Tensors,
        hidden: Tensor,  # shape: (J, *batch, p)
        m: Tensor,  # shape: (J, *batch, p)
    ) -> tuple[Tensor, Tensor]:
        """β_t and γ_t, lines 9–10, of s_t and m_{t−1}; shapes (J, *batch, p)."""
        j = self.spec.n_candidates
        weight = theta["adam_cell.weight"]
        s = self._normalize(hidden) if self.spec.normalize_state else hidden
        of_state = linear(weight[:, :j], s, theta["adam_cell.bias"])
        rates = torch.sigmoid(linear(weight[:, j:], self._normalize(m), of_state))
        return rates[:j], rates[j:]

    def _compute_moment_field(
        self, m: Tensor, v: Tensor, beta_hat: Tensor, gamma_hat: Tensor
    ) -> Tensor:
        """m̂_t, lines 15–16; ε also keeps 0/0 away where a decay rate has rounded to 1."""
        eps = self.spec.epsilon
        m_tilde = m / (beta_hat + eps)
        v_tilde = v / (gamma_hat + eps)
        if self.spec.epsilon_inside_root:
            return m_tilde * torch.rsqrt(v_tilde + eps)
        return m_tilde / (safe_sqrt(v_tilde) + eps)

    def _normalize(self, x: Tensor) -> Tensor:
        """x over its norm along the last dimension (one learner's coordinates), then squashed;
        zeros stay zeros."""
        square = self._measure_square(x) + self.spec.norm_epsilon

        positive = square > 0
        scale = torch.where(positive, torch.rsqrt(torch.where(positive, square, 1.0)), 0.0)
        y = x * scale
        return torch.asinh(y) if self.spec.squash == "asinh" else y

    def _measure_square(self, x: Tensor) -> Tensor:
        """‖x‖², or its mean, along the last dimension; shape (…, 1)."""
        squares = x * x
        is_mean = self.spec.normalization == "rms"
        if self._sums is not None:
            return self._sums.mean(squares) if is_mean else self._sums.sum(squares)
        return squares.mean(-1, keepdim=True) if is_mean else squares.sum(-1, keepdim=True)
