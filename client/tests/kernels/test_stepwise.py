"""A stepwise tape against autograd over a whole period, in which gradients depend on what was done
with the directions before."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam.kernels import ReferenceStepwiseTape, StepwiseTape, open_stepwise_tape, open_tape
from hyperadam.rules import (
    DMRule,
    DMSpec,
    HyperAdamRule,
    HyperAdamSpec,
    HyperAdamTensorRule,
    HyperAdamTensorSpec,
    RNNpropRule,
    RNNpropSpec,
    Rule,
)
from kernel_cases import AS_PRINTED, RMS, distance
from torch import Tensor

LIMITED: dict[str, Any] = {**RMS, "skip_zero_gradients": True, "direction_bound": 2.0}
RULES: dict[str, Rule[Any]] = {
    "rms": HyperAdamRule(HyperAdamSpec(n_candidates=3, **RMS)),
    "limited": HyperAdamRule(HyperAdamSpec(n_candidates=5, **LIMITED)),
    "euclidean": HyperAdamRule(HyperAdamSpec(n_candidates=1)),
    "as-printed": HyperAdamRule(HyperAdamSpec(n_candidates=3, **AS_PRINTED)),
    "no-lstm": HyperAdamRule(HyperAdamSpec(n_candidates=3, lstm=False)),
    "other-lstm": HyperAdamRule(
        HyperAdamSpec(n_candidates=3, normalize_lstm=True, preprocessing=False)
    ),
    "rnnprop": RNNpropRule(RNNpropSpec(n_hidden=3)),
    "dm": DMRule(DMSpec(n_hidden=3)),
    "tensor": HyperAdamTensorRule(HyperAdamTensorSpec(n_candidates=3, n_hidden=5)),
}
N_LEARNERS = 2
N_STEPS = 4
SHAPES = pytest.mark.parametrize("p", [1, 7, 300])
EACH_RULE = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


class Period:
    """g_t = a_t + b_t ⊙ Σ_{s<t} d_s and F = Σ_t ⟨c_t, d_t⟩: every direction counts in all later
    gradients."""

    def __init__(self, rule: Rule[Any], p: int) -> None:
        generator = torch.Generator().manual_seed(p)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        self.rule = rule
        start = rule.pack(rule.init_theta(generator, rule.inits[0]))
        self.theta = start + 0.2 * draw(len(start))
        self.a = draw(N_STEPS, N_LEARNERS, p) * torch.exp(draw(N_LEARNERS, p))
        self.b = draw(N_STEPS, N_LEARNERS, p)
        self.c = draw(N_STEPS, N_LEARNERS, p)
        state = rule.init_state(self.a[0])
        _, state = rule.update(rule.unpack(self.theta), draw(N_LEARNERS, p), state)
        self.state = type(state)(*(field.detach() for field in state))

    def float(self) -> Period:
        """The same in float32."""
        self.theta = self.theta.float()
        self.a = self.a.float()
        self.b = self.b.float()
        self.c = self.c.float()
        self.state = type(self.state)(*(field.float() for field in self.state))
        return self

    def differentiate_at_once(self) -> Tensor:
        """∂F/∂Θ of each learner by one graph of everything; shape (L, n_theta)."""
        gradients = []
        for learner in range(N_LEARNERS):
            theta = self.theta.clone().requires_grad_()
            rows = slice(learner, learner + 1)
            state = type(self.state)(*(field[:, rows] for field in self.state))
            movement = torch.zeros_like(self.a[0, rows])
            total = torch.zeros((), dtype=torch.float64)
            for t in range(N_STEPS):
                gradient = self.a[t, rows] + self.b[t, rows] * movement
                direction, state = self.rule.update(self.rule.unpack(theta), gradient, state)
                movement = movement + direction
                total = total + (self.c[t, rows] * direction).sum()
            gradients.append(torch.autograd.grad(total, theta)[0])
        return torch.stack(gradients)

    def differentiate_stepwise(self, tape: StepwiseTape) -> Tensor:
        movement = torch.zeros_like(self.a[0])
        for t in range(N_STEPS):
            movement = movement + tape.step(self.a[t] + self.b[t] * movement)
        moved_adjoint = torch.zeros_like(movement)
        for t in reversed(range(N_STEPS)):
            gradient_adjoint = tape.backward_step(self.c[t] + moved_adjoint)
            moved_adjoint = moved_adjoint + self.b[t] * gradient_adjoint
        return tape.theta_gradients


@EACH_RULE
@SHAPES
@pytest.mark.parametrize("make", [open_stepwise_tape, ReferenceStepwiseTape])
def test_is_the_derivative_of_a_period_whose_gradients_depend_on_its_steps(
    rule: Rule[Any], p: int, make: Any
) -> None:
    period = Period(rule, p)
    expected = period.differentiate_at_once()
    assert expected.abs().max() > 1e-6
    result = period.differentiate_stepwise(make(rule, period.theta, period.state))
    rows = zip(result, expected, strict=True)
    assert all(distance(row, right) < 1e-10 for row, right in rows)


@pytest.mark.slow
@pytest.mark.usefixtures("needs_compiler")
@pytest.mark.parametrize("spec", [RMS, {}, AS_PRINTED, RMS | {"normalize_state": False}], ids=str)
@pytest.mark.parametrize("n_candidates", [1, 4, 20])
def test_float32_is_close_to_float64(n_candidates: int, spec: dict[str, Any]) -> None:
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=n_candidates, **spec))
    period = Period(rule, 300)
    expected = period.differentiate_at_once()
    result = period.float().differentiate_stepwise(
        open_stepwise_tape(rule, period.theta, period.state)
    )
    assert result.dtype == torch.float32
    assert distance(result, expected) < 1e-4


@pytest.mark.usefixtures("needs_compiler")
def test_learners_and_repetitions_are_independent() -> None:
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=4, **RMS))
    period = Period(rule, 300).float()
    tapes = [open_stepwise_tape(rule, period.theta, period.state) for _ in range(2)]
    first, second = (period.differentiate_stepwise(tape) for tape in tapes)
    assert torch.equal(first, second)
    alone = type(period.state)(*(field[:, 1:].contiguous() for field in period.state))
    tape = open_stepwise_tape(rule, period.theta, alone)
    for gradient in period.a[:, 1:]:
        tape.step(gradient)
    together = open_stepwise_tape(rule, period.theta, period.state)
    for gradient in period.a:
        together.step(gradient)
    for upstream in reversed(period.c):
        row = tape.backward_step(upstream[1:])
        assert torch.equal(together.backward_step(upstream)[1:], row)
    assert torch.equal(together.theta_gradients[1:], tape.theta_gradients)


@EACH_RULE
def test_walks_as_a_tape_does(rule: Rule[Any]) -> None:
    period = Period(rule, 7)
    stepwise = open_stepwise_tape(rule, period.theta, period.state)
    tape = open_tape(rule, period.theta, period.state)
    for gradient in period.a:
        assert distance(stepwise.step(gradient), tape.step(gradient)) < 1e-12
    state = stepwise.state
    torch.testing.assert_close(tuple(state), tuple(tape.state), rtol=1e-12, atol=1e-12)
    stepwise.backward_step(period.c[0])
    torch.testing.assert_close(tuple(stepwise.state), tuple(state), rtol=0, atol=0)


@EACH_RULE
def test_with_constant_gradients_it_is_a_tape(rule: Rule[Any]) -> None:
    period = Period(rule, 7)
    stepwise = open_stepwise_tape(rule, period.theta, period.state)
    tape = open_tape(rule, period.theta, period.state)
    for gradient in period.a:
        stepwise.step(gradient)
        tape.step(gradient)
    for upstream in reversed(period.c):
        stepwise.backward_step(upstream)
    assert distance(stepwise.theta_gradients.sum(0), tape.backward(period.c)) < 1e-11


@pytest.mark.parametrize("make", [open_stepwise_tape, ReferenceStepwiseTape])
def test_says_what_it_cannot_go_back(make: Any) -> None:
    period = Period(RULES["rms"], 7)
    tape = make(period.rule, period.theta, period.state)
    with pytest.raises(ValueError, match="a step that was not gone back yet"):
        tape.backward_step(period.c[0])
    tape.step(period.a[0])
    with pytest.raises(ValueError, match=r"upstream"):
        tape.backward_step(period.c[0, :1])
    tape.backward_step(period.c[0])
    with pytest.raises(ValueError, match="a step that was not gone back yet"):
        tape.backward_step(period.c[0])
