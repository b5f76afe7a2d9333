"""The fused tape against autograd over the plain rule: the same numbers, whatever the shape and the
spec."""

from __future__ import annotations

import pytest
import torch
from hyperadam.kernels import ReferenceTape, open_tape
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import AS_PRINTED, RMS, Case, check_close, distance, run

pytestmark = pytest.mark.usefixtures("needs_compiler")

CASES = [
    Case(1, (1,)),
    Case(1, (3, 7), RMS),
    Case(5, (130,), RMS),
    Case(5, (3, 1)),
    Case(20, (1, 600), RMS),
    Case(20, (2, 2, 129)),
    Case(20, (3, 256), AS_PRINTED),
    Case(20, (257,), RMS | {"normalize_state": False}),
    Case(20, (50,), {"forget_bias": -0.5, "norm_epsilon": 1e-3, "squash": "asinh"}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float64_is_the_plain_rule(case: Case) -> None:
    fused = run(case, dtype=torch.float64)
    plain = run(case, dtype=torch.float64, plain=True)
    assert distance(fused.directions, plain.directions) < 1e-12
    for gradient, expected in zip(fused.gradients, plain.gradients, strict=True):
        parts = case.rule.unpack(gradient)
        check_close(parts.values(), case.rule.unpack(expected).values(), tolerance=1e-12)
    for state, expected_state in zip(fused.states, plain.states, strict=True):
        check_close(state, expected_state, tolerance=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float32_is_close_to_float64(case: Case) -> None:
    fused = run(case, dtype=torch.float32)
    exact = run(case, dtype=torch.float64, plain=True)
    assert distance(fused.directions, exact.directions) < 5e-6
    for state, exact_state in zip(fused.states, exact.states, strict=True):
        check_close(state, exact_state, tolerance=5e-6)
    check_close(fused.gradients, exact.gradients, tolerance=2e-5)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.sampled_from([1, 5, 20]),
    st.lists(st.integers(1, 3), max_size=2),
    st.integers(1, 600),
    st.sampled_from([{}, RMS, AS_PRINTED, {"norm_epsilon": 0.0}]),
    st.integers(1, 3),
    st.integers(0, 10**6),
)
def test_any_shape(
    j: int, batch: list[int], p: int, spec: dict[str, object], n_steps: int, seed: int
) -> None:
    case = Case(j, (*batch, p), spec, n_steps=n_steps, n_periods=1, seed=seed)
    fused = run(case, dtype=torch.float64)
    plain = run(case, dtype=torch.float64, plain=True)
    assert distance(fused.directions, plain.directions) < 1e-11
    assert distance(fused.gradients, plain.gradients) < 1e-11


@pytest.mark.parametrize("spec", [{}, {"norm_epsilon": 0.0}, RMS, AS_PRINTED], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_gradients_move_nothing_and_spoil_nothing(
    spec: dict[str, object], dtype: torch.dtype
) -> None:
    case = Case(20, (2, 140), spec)
    gradients = case.draw(1)
    gradients[..., :50] = 0
    gradients[:, :, 1] = 0
    fused = run(case, dtype=dtype, gradients=gradients)
    plain = run(case, dtype=torch.float64, plain=True, gradients=gradients)
    assert not fused.directions[..., :50].any()
    assert not fused.directions[:, 1].any()
    assert distance(fused.gradients, plain.gradients) < (2e-5 if dtype == torch.float32 else 1e-12)


def test_nan_stays_where_the_plain_rule_has_it() -> None:
    case = Case(5, (2, 200), RMS)
    gradients = case.draw(1).float()
    gradients[0, 1, 1, 7] = torch.nan
    fused = run(case, dtype=torch.float32, gradients=gradients)
    plain = run(case, dtype=torch.float32, plain=True, gradients=gradients)
    assert torch.equal(fused.directions.isnan(), plain.directions.isnan())
    assert fused.directions.isnan().any()


def test_a_learner_does_not_depend_on_its_neighbours() -> None:
    case = Case(20, (3, 170), RMS)
    together = run(case, dtype=torch.float32)
    alone = run(Case(20, (1, 170), RMS), dtype=torch.float32, gradients=case.draw(1)[:, :, 1:2])
    assert torch.equal(case.theta(), Case(20, (1, 170), RMS).theta())
    assert torch.equal(together.directions[:, 1:2], alone.directions)


def test_repeats_bit_for_bit() -> None:
    first = run(Case(20, (2, 300), RMS), dtype=torch.float32)
    second = run(Case(20, (2, 300), RMS), dtype=torch.float32)
    assert torch.equal(first.directions, second.directions)
    assert torch.equal(first.gradients, second.gradients)


def test_gradient_against_finite_differences() -> None:
    case = Case(3, (2, 10), RMS, n_steps=3, n_periods=1)
    rule = case.rule
    inputs = case.draw(1)[0]
    upstream = case.draw(2)[0]
    generator = torch.Generator().manual_seed(5)

    def objective(theta: torch.Tensor) -> float:
        tape = open_tape(rule, theta, rule.init_state(inputs[0]))
        directions = torch.stack([tape.step(g) for g in inputs])
        return float((directions * upstream).sum())

    theta = case.theta()
    way = torch.randn(theta.shape, generator=generator, dtype=torch.float64)
    slope = (objective(theta + 1e-6 * way) - objective(theta - 1e-6 * way)) / 2e-6

    tape = open_tape(rule, theta, rule.init_state(inputs[0]))
    for g in inputs:
        tape.step(g)
    assert float(tape.backward(upstream) @ way) == pytest.approx(slope, rel=1e-6)


def test_state_is_a_snapshot() -> None:
    case = Case(5, (1, 20), RMS)
    gradients = case.draw(1)[0]
    start = case.rule.init_state(gradients[0])
    tape = open_tape(case.rule, case.theta(), start)
    tape.step(gradients[0])
    before = tape.state
    copies = [field.clone() for field in before]
    tape.step(gradients[1])
    assert all(torch.equal(field, copy) for field, copy in zip(before, copies, strict=True))
    assert not torch.equal(tape.state.m, before.m)
    assert not any(field.any() for field in start)


@pytest.mark.parametrize("make", [open_tape, ReferenceTape])
def test_backward_checks_what_it_is_given(make: type[ReferenceTape]) -> None:
    case = Case(5, (1, 20))
    gradients = case.draw(1)[0]
    tape = make(case.rule, case.theta(), case.rule.init_state(gradients[0]))
    with pytest.raises(ValueError, match="at least one step"):
        tape.backward(gradients)
    tape.step(gradients[0])
    with pytest.raises(ValueError, match=r"upstream has shape \(4, 1, 20\), expected \(1, 1, 20\)"):
        tape.backward(gradients)
    tape.backward(gradients[:1])
    with pytest.raises(ValueError, match="works once"):
        tape.backward(gradients[:1])


def test_wrong_arguments_are_named() -> None:
    case = Case(5, (1, 20))
    theta = case.theta()
    state = case.rule.init_state(torch.zeros(1, 20, dtype=torch.float64))
    with pytest.raises(ValueError, match="theta must be"):
        open_tape(case.rule, theta[1:], state)
    with pytest.raises(ValueError, match=r"state\.hidden must be torch\.float32"):
        open_tape(case.rule, theta.float(), state)
    with pytest.raises(ValueError, match=r"state\.m must be"):
        open_tape(case.rule, theta, state._replace(m=state.m[:2]))
    with pytest.raises(ValueError, match="gradient must be"):
        open_tape(case.rule, theta, state).step(torch.zeros(20, dtype=torch.float64))


@pytest.mark.parametrize(
    "spec", [{"normalize_lstm": True}, {"preprocessing": False}, {"lstm": False}], ids=str
)
def test_rare_specs_run_on_plain_torch(spec: dict[str, bool]) -> None:
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=3, **spec))  # type: ignore[arg-type]
    gradient = torch.ones(1, 4, dtype=torch.float64)
    theta = rule.pack(rule.init_theta(torch.Generator(), "paper"))
    tape = open_tape(rule, theta, rule.init_state(gradient))
    assert isinstance(tape, ReferenceTape)
    assert tape.step(gradient).shape == (1, 4)
