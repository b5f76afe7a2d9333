"""The compiled tapes of the rule whose cells are a tensor's against autograd over the plain rule.

The tensors have every role; there are zero gradients, directions at their bound, starts at 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from hyperadam.kernels import (
    ReferenceStepwiseTape,
    ReferenceTape,
    StepwiseTape,
    open_stepwise_tape,
    open_tape,
)
from hyperadam.kernels.cpu_tensor_tape import FusedTensorStepwiseTape, FusedTensorTape
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec
from kernel_cases import SPARSE_ABOVE, distance, drop_some
from torch import Tensor

pytestmark = pytest.mark.usefixtures("needs_compiler")

SHAPES = [(3, 4), (4,), (), (2, 3), (2, 1, 3), (0, 3), (40, 31), (7, 2, 3, 3)]
"""Matrices, vectors, a scalar, a stack, nothing, more than a chunk, and a kernel."""
LENGTHS = [torch.Size(shape).numel() for shape in SHAPES]
P = sum(LENGTHS)
N_STILL = slice(17, 23)
"""The second matrix, which starts at 0."""
N_STEPS = 6


class Outcome(NamedTuple):
    directions: Tensor
    gradient_adjoints: Tensor
    theta_gradients: Tensor
    state: Any


class TensorPeriod:
    """g_t = a_t + b_t ⊙ Σ_{s<t} d_s and F = Σ_t ⟨c_t, d_t⟩; of some coordinates and of a whole step
    g is 0."""

    def __init__(
        self,
        n_candidates: int = 4,
        *,
        batch: Any = (2,),
        **options: Any,
    ) -> None:
        generator = torch.Generator().manual_seed(n_candidates)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        self.rule = HyperAdamTensorRule(
            HyperAdamTensorSpec(n_candidates=n_candidates, n_hidden=5, **options)
        )
        start = self.rule.pack(self.rule.init_theta(generator))
        self.theta = start + 0.2 * draw(len(start))
        self.a = draw(N_STEPS, *batch, P) * torch.exp(2 * draw(*batch, P))
        self.b = 0.1 * draw(N_STEPS, *batch, P)
        self.c = draw(N_STEPS, *batch, P)
        for numbers in (self.a, self.b):
            numbers[..., ::7] = 0.0
            for step in range(N_STEPS):
                drop_some(numbers[step], LENGTHS, step)
            numbers[3] = 0.0
        w = draw(*batch, P)
        w[..., N_STILL] = 0.0
        self.state = self.rule.init_state(w, SHAPES)

    def run(self, make: Any, dtype: torch.dtype = torch.float64) -> Outcome:
        tape: StepwiseTape = make(self.rule, self.theta.to(dtype), self.rounded_state(dtype))
        movement = torch.zeros_like(self.a[0], dtype=dtype)
        directions = []
        for a, b in zip(self.a.to(dtype), self.b.to(dtype), strict=True):
            directions.append(tape.step(a + b * movement))
            movement = movement + directions[-1]
        state = tape.state

        moved_adjoint = torch.zeros_like(movement)
        adjoints = []
        for b, c in zip(self.b.flip(0).to(dtype), self.c.flip(0).to(dtype), strict=True):
            adjoints.append(tape.backward_step(c + moved_adjoint))
            moved_adjoint = moved_adjoint + b * adjoints[-1]
        return Outcome(torch.stack(directions), torch.stack(adjoints), tape.theta_gradients, state)

    def rounded_state(self, dtype: torch.dtype) -> Any:
        return type(self.state)(*(field.to(dtype) for field in self.state))

    def objective(self, theta: Tensor) -> float:
        """F, of all learners."""
        tape = open_stepwise_tape(self.rule, theta, self.state)
        movement = torch.zeros_like(self.a[0])
        total = 0.0
        for a, b, c in zip(self.a, self.b, self.c, strict=True):
            direction = tape.step(a + b * movement)
            movement = movement + direction
            total += float((c * direction).sum())
        return total


def check_close(result: Outcome, expected: Outcome, tolerance: float) -> None:
    for name, part in zip(Outcome._fields[:3], result[:3], strict=True):
        assert distance(part, getattr(expected, name)) < tolerance, name
    for name, field in result.state._asdict().items():
        assert distance(field, getattr(expected.state, name)) < tolerance, name


@pytest.mark.parametrize("bound", [20.0, 1.0], ids=["free", "bound"])
@pytest.mark.parametrize("n_candidates", [1, 4, 16])
@pytest.mark.parametrize(
    "options", [{}, {"sees_network": True}, {"sparse_above": SPARSE_ABOVE}], ids=str
)
def test_is_the_plain_rule_and_its_derivative(
    options: dict[str, Any], n_candidates: int, bound: float
) -> None:
    period = TensorPeriod(n_candidates, direction_bound=bound, **options)
    expected = period.run(ReferenceStepwiseTape)
    assert bool(expected.directions[3].any()) is (not period.rule.stands_still)
    assert expected.theta_gradients.abs().min(1).values.gt(0).all()
    check_close(period.run(open_stepwise_tape), expected, 1e-11)
    check_close(period.run(open_stepwise_tape, torch.float32), expected, 3e-5)


def test_some_directions_of_these_are_at_their_bound() -> None:
    period = TensorPeriod(direction_bound=1.0)
    cells = period.rule.run_cells(period.rule.unpack(period.theta), period.state)
    length = cells.step_length[0, :, -1:]
    directions = period.run(open_stepwise_tape).directions[0, :, -7 * 2 * 9 :]
    at_bound = (directions.abs() - length).abs() < 1e-12
    assert 0.05 < float(at_bound.double().mean()) < 0.95


@pytest.mark.parametrize("sparse_above", [1.0, SPARSE_ABOVE])
def test_is_the_slope_of_the_objective(sparse_above: float) -> None:
    period = TensorPeriod(sparse_above=sparse_above)
    generator = torch.Generator().manual_seed(5)
    way = torch.randn(period.theta.shape, generator=generator, dtype=torch.float64)
    ahead = period.objective(period.theta + 1e-6 * way)
    slope = (ahead - period.objective(period.theta - 1e-6 * way)) / 2e-6
    result = period.run(open_stepwise_tape).theta_gradients
    assert float((result @ way).sum()) == pytest.approx(slope, rel=1e-6)


def test_learners_and_repetitions_are_independent() -> None:
    period = TensorPeriod()
    together = period.run(open_stepwise_tape, torch.float32)
    again = period.run(open_stepwise_tape, torch.float32)
    assert all(map(torch.equal, together[:3], again[:3]))

    period.a = period.a[:, 1:]
    period.b = period.b[:, 1:]
    period.c = period.c[:, 1:]
    period.state = type(period.state)(*(field[:, 1:] for field in period.state))
    alone = period.run(open_stepwise_tape, torch.float32)
    assert torch.equal(together.directions[:, 1:], alone.directions)
    assert torch.equal(together.gradient_adjoints[:, 1:], alone.gradient_adjoints)
    assert torch.equal(together.theta_gradients[1:], alone.theta_gradients)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_periods_of_first_order_are_those_of_the_plain_rule(batch: tuple[int, ...]) -> None:
    period = TensorPeriod(batch=batch, sparse_above=SPARSE_ABOVE)
    tapes = [open_tape(period.rule, period.theta, period.state)]
    tapes.append(ReferenceTape(period.rule, period.theta, period.state))
    assert isinstance(tapes[0], FusedTensorTape)
    for _ in range(2):
        for gradient in period.a:
            direction, expected = (tape.step(gradient) for tape in tapes)
            assert distance(direction, expected) < 1e-12
        state = tapes[0].state
        torch.testing.assert_close(tuple(state), tuple(tapes[1].state), rtol=1e-11, atol=1e-12)
        gradients = [tape.backward(period.c) for tape in tapes]
        assert distance(gradients[0], gradients[1]) < 1e-11
        assert all(map(torch.equal, tapes[0].state, state))
        tapes = [make(period.rule, period.theta, state) for make in (open_tape, ReferenceTape)]


def test_a_period_may_be_cut_without_a_trace() -> None:
    period = TensorPeriod(sparse_above=SPARSE_ABOVE)
    whole = open_stepwise_tape(period.rule, period.theta.float(), period.rounded_state(torch.float))
    state = period.rounded_state(torch.float32)
    for gradient in period.a.float():
        part = open_stepwise_tape(period.rule, period.theta.float(), state)
        assert torch.equal(part.step(gradient), whole.step(gradient))
        state = part.state
    assert all(map(torch.equal, state, whole.state))


def test_says_what_does_not_fit() -> None:
    period = TensorPeriod()
    tape = open_stepwise_tape(period.rule, period.theta, period.state)
    assert isinstance(tape, FusedTensorStepwiseTape)
    with pytest.raises(ValueError, match="gradient must be"):
        tape.step(period.a[0].float())
    with pytest.raises(ValueError, match="a step that was not gone back yet"):
        tape.backward_step(period.c[0])
    tape.step(period.a[0])
    with pytest.raises(ValueError, match="upstream must be"):
        tape.backward_step(period.c[0, :1])
    with pytest.raises(ValueError, match=r"state\.v must be"):
        open_tape(period.rule, period.theta, period.state._replace(v=period.state.v[..., 1:]))
    with pytest.raises(ValueError, match="theta must be"):
        open_tape(period.rule, period.theta[1:], period.state)
    first_order = open_tape(period.rule, period.theta, period.state)
    with pytest.raises(ValueError, match="at least one step"):
        first_order.backward(period.c)


def test_kernels_that_are_off_leave_the_plain_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERADAM_KERNEL", "off")
    period = TensorPeriod()
    arguments = (period.rule, period.theta, period.state)
    assert isinstance(open_stepwise_tape(*arguments), ReferenceStepwiseTape)
    assert isinstance(open_tape(*arguments), ReferenceTape)
