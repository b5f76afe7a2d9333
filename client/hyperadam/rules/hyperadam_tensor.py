"""HyperAdam with its cells a tensor and its moments a coordinate: 4 (J + 1) bytes a coordinate.

HyperAdam's three cells (`hyperadam.rules.hyperadam`; Wang, Sun, Xu, AAAI 2019) are run
once for each tensor, as part of hierarchical learned optimizers is (Wichrowska et al., 2017). They
see how the tensor's moments stand to each other, not its single gradients. With ⟨·⟩ the
mean over a tensor's coordinates, w_0 its weights at the start, and t = 1, 2, …:

    r_j = ½ log⟨m̂_j²⟩ / ⟨v̂⟩,  r_g = ½ log⟨g²⟩ / ⟨v̂⟩     of step t − 1; 0 where ⟨v̂⟩ is 0
    x   = [r_1 … r_J, r_g, log t, min(t / 20, 1), log fan-in, log gain, role]
    h   = tanh(W_x x + b_x)                              StateCell
    β_j = σ(W_β h + b_β)_j,   γ = σ(b_γ)                 AdamCell
    ρ_j = b_j e^{(W_ρ h)_j}                              WeightCell
    ℓ   = k_role e^{w_k h} ⟨w_0²⟩^½ gain^a (fan-in / 64)^b    how long a step is
        = k_vector e^{w_k h}                                  of vectors, and where w_0 is 0

    m_j ← β_j m_j + (1 − β_j) g        β̂_j ← β_j β̂_j + 1 − β_j        m̂_j = m_j / β̂_j
    v   ← γ v + (1 − γ) g²             γ̂   ← γ γ̂ + 1 − γ              v̂   = v / γ̂
    d   = ℓ Σ_j ρ_j m̂_j / √(v̂ + ε)     within ± b before it is multiplied by ℓ; 0 where g is 0,
                                        unless  sparse_above < z < 1  and  v > ⟨v⟩ / 100

The gain is what the start does to the size of a layer's inputs, ⟨w_0²⟩^½ times the root of the
fan-in: about 1 at the usual starts, and 2.8 where 784 inputs have weights of N(0, 0.1²). With a = 0
steps follow the weights at the start; with a = −1, b = 0 they follow 1 / √fan-in, which is what the
weights of a layer that keeps the size of its inputs have.

All that step t needs of a tensor as a whole is of step t − 1: one pass over the coordinates is
enough. Directions do not depend on the unit of the loss: α is 1.

z is the share of coordinates whose g was 0; it and ⟨v⟩ are of step t − 1. Where z is large, as in
an embedding of whose rows a minibatch looks up few, coordinates go on by their moments, as in Adam,
until v has all but forgotten them: where √v is forgotten sooner than m, d grows meanwhile. With
`sparse_above` = 1, the default, none goes on, and z is not kept. Cells do not see z, and which
coordinates stand still is a constant to the derivative.

With `sees_network`, cells are told of the network, too (`hyperadam.rules.roles`): x ends with the
five surroundings s of the tensor, and ℓ is e^{c s} times as long. For a matrix of the same fan-in
and gain wants long steps in a perceptron, and short ones between the norms of a transformer.

The role is read from the shape: of no or one dimension a vector; of two a matrix; of three a stack
of matrices, (n, out, in); of more a kernel. Θ is a few hundred numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple

import torch
from torch import Tensor

from hyperadam.rules.base import Insight, Rule, Shapes, Tensors
from hyperadam.rules.layers import (
    Ranges,
    check_choice,
    check_ranges,
    compute_decay_logits,
    draw_theta,
    linear,
)
from hyperadam.rules.roles import (
    N_SURROUNDINGS,
    N_TRAITS,
    ROLES,
    describe_surroundings,
    describe_traits,
)
from hyperadam.rules.tensor_state import (
    HyperAdamTensorState,
    Start,
    describe_start,
    find_start,
    find_still_v,
    read_lengths,
    split_length,
)
from hyperadam.rules.tensors import average_over_tensors, check_lengths, spread_over_tensors

RATIO_FLOOR: Final = 1e-8
"""Added to ratios of means before their logarithm: r is at least −9.2."""
WARMUP: Final = 20
"""Steps after which the short clock stands still."""
USUAL_FAN_IN: Final = 64


@dataclass(frozen=True, kw_only=True)
class HyperAdamTensorSpec:
    """Every choice of the rule."""

    kind: Literal["hyperadam-tensor"] = "hyperadam-tensor"
    n_candidates: int = 4
    """J, the number of first moments that are mixed; 1 to 16."""
    n_hidden: int = 16
    """Units of the StateCell; 1 to 256."""
    epsilon: float = 1e-24
    """ε under the root, and beside ⟨v̂⟩; 1e-25 to 1 (below that, the derivative of the root
    overflows float32)."""
    direction_bound: float = 20.0
    """b, 1 to 1e6: directions are within ± b before they are multiplied by the length."""
    sees_network: bool = False
    """Whether the cells are told of the network that a tensor is in."""
    sparse_above: float = 1.0
    """0 to 1: a tensor of which a larger share had a gradient of exactly 0 in the step before, as
    an embedding of rarely seen rows, goes on by its moments for a while where it has none. Others
    stand still there, and all do with 1."""

    RANGES: ClassVar[Ranges] = {
        "n_candidates": (1, 16),
        "n_hidden": (1, 256),
        "epsilon": (1e-25, 1),
        "direction_bound": (1, 1e6),
        "sparse_above": (0, 1),
    }
    """The smallest and the largest value of each number."""

    def __post_init__(self) -> None:
        check_ranges(self, self.RANGES)


class Cells(NamedTuple):
    """What the three cells say of each tensor."""

    beta: Tensor
    """Shape (J, *batch, k)."""
    gamma: Tensor
    """Shape ()."""
    rho: Tensor
    """Shape (J, *batch, k)."""
    step_length: Tensor
    """ℓ; shape (1, *batch, k)."""


class HyperAdamTensorRule(Rule[HyperAdamTensorState]):
    """The update as a pure function; see the module's docstring for the equations.

    Exactly scale invariant up to ε: with c·g in place of g, c > 0, directions stay. With c·w_0 in
    place of w_0, those of matrices, stacks and kernels are c^{1 + a} times as long, but for what
    the cells make of the gain; untrained, they make nothing of it.
    """

    kind = "hyperadam-tensor"
    non_negative_fields = frozenset(
        {"v", "beta_hat", "gamma_hat", "means", "n_steps", "start_rms", "length"}
    )
    inits = ("ensemble",)
    per_tensor_fields = frozenset(
        {"beta_hat", "gamma_hat", "means", "n_steps", "start_rms", "traits", "length"}
    )
    mean_fields = frozenset({"means"})

    def __init__(self, spec: HyperAdamTensorSpec | None = None) -> None:
        self._spec = spec or HyperAdamTensorSpec()

    @property
    def spec(self) -> HyperAdamTensorSpec:
        return self._spec

    @property
    def sees_network(self) -> bool:
        return self.spec.sees_network

    @property
    def stands_still(self) -> bool:
        return not self.counts_zeros

    @property
    def counts_zeros(self) -> bool:
        """Whether tensors with a sparse gradient go on: `means` ends with the share of zeros."""
        return self.spec.sparse_above < 1

    @property
    def theta_shapes(self) -> dict[str, tuple[int, ...]]:
        j = self.spec.n_candidates
        n_hidden = self.spec.n_hidden
        n_features = j + 4 + N_TRAITS + self.n_surroundings
        return {
            "state_cell.weight": (n_hidden, n_features),
            "state_cell.bias": (n_hidden,),
            "adam_cell.weight": (j, n_hidden),
            "adam_cell.bias": (j + 1,),  # of β, then of γ
            "weight_cell.weight": (j, n_hidden),
            "weight_cell.bias": (j,),
            "length.weight": (1, n_hidden),
            "length.bias": (len(ROLES),),  # log k of each role
            "length.exponents": (2 + self.n_surroundings,),  # a, b, c
        }

    @property
    def n_surroundings(self) -> int:
        """Features of the network around a tensor."""
        return N_SURROUNDINGS if self.spec.sees_network else 0

    @property
    def n_means(self) -> int:
        """Rows of the state's `means`."""
        return self.spec.n_candidates + 2 + self.counts_zeros

    @property
    def n_traits(self) -> int:
        """Rows of the state's `traits`."""
        return N_TRAITS + self.n_surroundings

    @property
    def log_length(self) -> str | None:
        return "length.bias"

    def init_theta(self, generator: torch.Generator, init: str = "ensemble") -> dict[str, Tensor]:
        """A fresh Θ.

        `ensemble`: β_j = 1 − 1/τ_j with τ log-spaced over 1.1…100, γ = 0.99, ρ_j = 4/J, steps of
        0.03 (⟨w_0²⟩ / fan-in)^¼, and of 0.004 for vectors. The StateCell's weights are normal of
        std 0.3, and what reads it has weights 0: untrained, it is the mean of J Adams.
        """
        check_choice("init", init, self.inits)
        j = self.spec.n_candidates
        theta = draw_theta(self.theta_shapes, generator)
        theta["state_cell.weight"].normal_(std=0.3, generator=generator)
        for name in ("adam_cell.weight", "weight_cell.weight", "length.weight"):
            theta[name].zero_()

        theta["adam_cell.bias"][:j] = compute_decay_logits(1.1, 100, j)
        theta["adam_cell.bias"][j:] = compute_decay_logits(100, 100, 1)
        theta["weight_cell.bias"].fill_(4 / j)
        lengths = [0.004 if role == "vector" else 0.03 for role in ROLES]
        theta["length.bias"].copy_(torch.tensor(lengths, dtype=torch.float64).log())
        theta["length.exponents"].copy_(torch.tensor([-0.5] + [0.0] * (1 + self.n_surroundings)))
        return theta

    def widen_theta(self, theta: Tensors) -> dict[str, Tensor]:
        """Θ of the rule that does not see the network, for this one: what is new counts nothing.

        Args:
            theta: its tensors; those of this rule are given back as they are.
        """
        shapes = self.theta_shapes
        widened = dict(theta)
        for name in ("state_cell.weight", "length.exponents"):
            missing = shapes[name][-1] - theta[name].shape[-1]
            widened[name] = torch.nn.functional.pad(theta[name], (0, missing))
        return widened

    def init_state(self, w: Tensor, shapes: Shapes | None = None) -> HyperAdamTensorState:
        """The state before the first step; see `Rule.init_state`.

        Fields with one number a tensor are at least in float32.

        Raises:
            ValueError: the shapes together do not have p coordinates.
        """
        shapes = [w.shape[-1:]] if shapes is None else shapes
        lengths = [math.prod(shape) for shape in shapes]
        check_lengths(lengths, w.shape[-1])
        wide_w = w.to(torch.promote_types(w.dtype, torch.float32))
        square_means = average_over_tensors((wide_w * wide_w)[None], lengths)
        return HyperAdamTensorState(
            m=w.new_zeros((self.spec.n_candidates, *w.shape)),
            v=w.new_zeros((1, *w.shape)),
            **self.begin_tensors(square_means, shapes, lengths),
        )

    def begin_tensors(
        self,
        square_means: Tensor,  # shape: (1, *batch, k)
        shapes: Shapes,
        lengths: Sequence[int],
    ) -> dict[str, Tensor]:
        batch = square_means.shape[1:-1]
        j = self.spec.n_candidates

        def zeros(n: int) -> Tensor:
            return square_means.new_zeros((n, *square_means.shape[1:]))

        def constants(rows: Sequence[Sequence[float]]) -> Tensor:
            """One row of numbers for each tensor, the same for all learners."""
            columns = square_means.new_tensor(rows).T
            return columns.view(-1, *(1 for _ in batch), len(rows)).expand(-1, *batch, -1).clone()

        start_rms = square_means.sqrt()
        traits = constants([describe_traits(shape) for shape in shapes])
        if self.spec.sees_network:
            log_gain = find_start(start_rms, traits).log_gain
            traits = torch.cat([traits, describe_surroundings(shapes, start_rms, log_gain)])
        return {
            "beta_hat": zeros(j),
            "gamma_hat": zeros(1),
            "means": zeros(self.n_means),
            "n_steps": zeros(1),
            "start_rms": start_rms,
            "traits": traits,
            "length": constants([split_length(length) for length in lengths]),
        }

    def with_lengths(
        self, state: HyperAdamTensorState, lengths: Sequence[int]
    ) -> HyperAdamTensorState:
        digits = [split_length(length) for length in lengths]
        columns = state.length.new_tensor(digits).T
        return state._replace(length=columns.reshape(state.length.shape))

    def update(
        self,
        theta: Tensors,
        gradient: Tensor,  # shape: (*batch, p)
        state: HyperAdamTensorState,
    ) -> tuple[Tensor, HyperAdamTensorState]:
        lengths = read_lengths(state)
        n_steps = state.n_steps + 1
        cells = self.run_cells(theta, state)

        g = gradient[None]
        squares = g * g
        m = torch.lerp(g, state.m, spread_over_tensors(cells.beta, lengths))
        v = torch.lerp(squares, state.v, cells.gamma)
        one = gradient.new_ones(())
        beta_hat = torch.lerp(one, state.beta_hat, cells.beta)
        gamma_hat = torch.lerp(one, state.gamma_hat, cells.gamma)

        square_means = average_over_tensors(m * m, lengths) / (beta_hat * beta_hat)
        others = average_over_tensors(torch.cat([v, squares]), lengths)
        rows = [square_means, others[:1] / gamma_hat, others[1:]]
        if self.counts_zeros:
            rows.append(average_over_tensors((g == 0).to(g), lengths))
        means = torch.cat(rows)
        after = state._replace(
            m=m, v=v, beta_hat=beta_hat, gamma_hat=gamma_hat, means=means, n_steps=n_steps
        )
        still = gradient == 0
        if self.counts_zeros:
            still &= ~(
                v > spread_over_tensors(find_still_v(state, self.spec.sparse_above), lengths)
            )[0]
        return self._mix(cells, after, lengths).masked_fill(still, 0.0), after

    def look_inside(self, theta: Tensors, state: HyperAdamTensorState) -> Insight:
        """The moments are those of the last step, the cells those of the next."""
        cells = self.run_cells(theta, state)
        gamma = cells.gamma.expand(1, cells.beta.shape[-1])
        direction = self._mix(cells, state, read_lengths(state))
        return Insight(direction, cells.rho, cells.beta, gamma)

    def _mix(self, cells: Cells, state: HyperAdamTensorState, lengths: Sequence[int]) -> Tensor:
        """ℓ Σ_j ρ_j m̂_j / √(v̂ + ε), the sum within the bound; shape (*batch, p)."""
        weights = spread_over_tensors(cells.rho / state.beta_hat, lengths)
        v_hat = state.v / spread_over_tensors(state.gamma_hat, lengths)
        mixture = (weights * state.m).sum(0) * torch.rsqrt(v_hat[0] + self.spec.epsilon)
        bound = self.spec.direction_bound
        return spread_over_tensors(cells.step_length, lengths)[0] * mixture.clamp(-bound, bound)

    def run_cells(self, theta: Tensors, state: HyperAdamTensorState) -> Cells:
        """What the cells say for the step after `state`."""
        j = self.spec.n_candidates
        start = describe_start(state)
        features = self._features(state, start)
        weight = theta["state_cell.weight"]
        hidden = torch.tanh(linear(weight, features, theta["state_cell.bias"]))

        decay_logits = theta["adam_cell.bias"]
        beta = torch.sigmoid(linear(theta["adam_cell.weight"], hidden, decay_logits[:j]))
        gamma = torch.sigmoid(decay_logits[j])

        one_each = hidden.new_zeros(j)
        growth = linear(theta["weight_cell.weight"], hidden, one_each).exp()
        rho = theta["weight_cell.bias"].view(-1, *(1 for _ in hidden.shape[1:])) * growth
        return Cells(beta, gamma, rho, self._step_length(theta, hidden, state, start))

    def _features(self, state: HyperAdamTensorState, start: Start) -> Tensor:
        """x, each of about the size of 1; shape (J + 9, *batch, k)."""
        j = self.spec.n_candidates
        v_hat = state.means[j : j + 1]
        ratios = torch.cat([state.means[:j], state.means[j + 1 : j + 2]]) / (
            v_hat + self.spec.epsilon
        )
        logs = 0.5 * torch.log(ratios + RATIO_FLOOR)
        logs = torch.where(v_hat > 0, logs, 0.0)

        t = state.n_steps + 1
        long_clock = t.log() / 4 - 0.7
        short_clock = (t / WARMUP).clamp(max=1) - 0.5
        clocks = [long_clock, short_clock]
        of_start = [start.log_fan_in / 5 - 0.7, start.log_gain / 2]
        return torch.cat([logs / 2, *clocks, *of_start, state.traits[1:]])

    def _step_length(
        self, theta: Tensors, hidden: Tensor, state: HyperAdamTensorState, start: Start
    ) -> Tensor:
        """ℓ of each tensor; shape (1, *batch, k)."""
        log_lengths = theta["length.bias"]
        roles = state.traits[1:N_TRAITS]
        of_role = linear(log_lengths[None], roles, log_lengths.new_zeros(1))
        of_gain, of_fan_in, *of_surroundings = theta["length.exponents"]
        log_widening = start.log_fan_in - math.log(USUAL_FAN_IN)
        of_start = of_gain * start.log_gain + of_fan_in * log_widening
        log_length = torch.where(start.is_relative, of_role + of_start, log_lengths[-1])
        for exponent, row in zip(of_surroundings, state.traits[N_TRAITS:], strict=True):
            log_length = log_length + exponent * row
        log_length = linear(theta["length.weight"], hidden, log_length)
        return log_length.exp() * torch.where(start.is_relative, state.start_rms, 1.0)
