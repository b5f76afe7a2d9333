"""Random periods on which a kernel and the plain rule are compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from hyperadam.kernels import ReferenceTape, Tape, open_tape
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from torch import Tensor

RMS: dict[str, Any] = {"normalization": "rms", "norm_epsilon": 0.0, "squash": "asinh"}
AS_PRINTED: dict[str, Any] = {
    "normalize_state": False,
    "epsilon_inside_root": False,
    "epsilon": 1e-8,
}


SPARSE_ABOVE = 0.25
SPARSE_TENSORS = (0, 5, 6)


def drop_some(gradient: Tensor, lengths: Sequence[int], step: int) -> None:
    """Make others of the coordinates 0 at each step: every third of the tensors at places
    `SPARSE_TENSORS`, every seventh of others."""
    for place, part in enumerate(gradient.split(list(lengths), -1)):
        every = 3 if place in SPARSE_TENSORS else 7
        part[..., step % every :: every] = 0.0


@dataclass(frozen=True)
class Case:
    """A rule, a Θ and the gradients and upstreams of some periods; the numbers follow from the seed
    alone."""

    n_candidates: int
    shape: tuple[int, ...]
    spec: dict[str, Any] = field(default_factory=dict)
    n_steps: int = 4
    n_periods: int = 2
    seed: int = 0

    @property
    def rule(self) -> HyperAdamRule:
        return HyperAdamRule(HyperAdamSpec(n_candidates=self.n_candidates, **self.spec))

    def theta(self) -> Tensor:
        """The published start moved well away from its zeros; float64."""
        generator = torch.Generator().manual_seed(self.seed)
        start = self.rule.pack(self.rule.init_theta(generator, "paper"))
        return start + 0.2 * torch.randn(start.shape, generator=generator, dtype=torch.float64)

    def draw(self, salt: int) -> Tensor:
        """Shape (periods, steps, *batch, p), float64, of very different sizes."""
        generator = torch.Generator().manual_seed(1000 * self.seed + salt)
        shape = (self.n_periods, self.n_steps, *self.shape)
        numbers = torch.randn(shape, generator=generator, dtype=torch.float64)
        return numbers * torch.exp(
            2 * torch.randn(self.shape, generator=generator, dtype=torch.float64)
        )


class RoundedHidden(HyperAdamRule):
    """The rule with s_t rounded to bfloat16 as soon as it is made, as fused steps store it."""

    def _run_state_cell(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        hidden, cell = super()._run_state_cell(*arguments)
        return hidden.bfloat16().to(hidden), cell


@dataclass
class Outcome:
    directions: Tensor
    gradients: Tensor
    states: list[tuple[Tensor, ...]]


def run(
    case: Case, *, dtype: torch.dtype, plain: bool = False, gradients: Tensor | None = None
) -> Outcome:
    """All periods of the case, on one tape after another."""
    rule = case.rule
    theta = case.theta().to(dtype)
    gradients = (case.draw(1) if gradients is None else gradients).to(dtype)
    upstreams = case.draw(2).to(dtype)
    state: Any = rule.init_state(gradients[0, 0])
    open_one = ReferenceTape if plain else open_tape

    directions: list[Tensor] = []
    theta_gradients: list[Tensor] = []
    states: list[tuple[Tensor, ...]] = []
    for inputs, upstream in zip(gradients, upstreams, strict=True):
        tape: Tape = open_one(rule, theta, state)
        assert isinstance(tape, ReferenceTape) == plain
        directions += [tape.step(gradient) for gradient in inputs]
        state = tape.state
        theta_gradients.append(tape.backward(upstream))
        states.append(tuple(state))
    return Outcome(torch.stack(directions), torch.stack(theta_gradients), states)


def check_close(results: Iterable[Tensor], expected: Iterable[Tensor], *, tolerance: float) -> None:
    """Each result is within the tolerance of what is expected in its place."""
    for result, target in zip(results, expected, strict=True):
        assert distance(result, target) < tolerance


def are_equal(results: Iterable[Tensor], expected: Iterable[Tensor]) -> bool:
    """Whether each is bit for bit what is expected in its place."""
    pairs = zip(results, expected, strict=True)
    return all(torch.equal(result, target) for result, target in pairs)


def distance(result: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest expected number; both may be all zeros."""
    scale = float(expected.abs().max())
    difference = float((result.to(expected.dtype) - expected).abs().max())
    return difference / scale if scale > 0 else difference
