"""The Triton kernels against the plain rule: on a GPU where there is one, else by Triton's
interpreter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam.kernels import ReferenceStepper, ReferenceTape, gpu
from kernel_cases import AS_PRINTED, RMS, Case, RoundedHidden, check_close, distance
from torch import Tensor

pytest.importorskip(
    "triton", reason="no Triton; it comes with torch's CUDA builds, or by pip install triton"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    # The interpreter computes both sides of a choice, by NumPy.
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
DEVICE = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
# Small, as the interpreter is slow; yet learners of one coordinate, of several tiles, and of a part
# of one.
CASES = [
    (Case(1, (1,), n_steps=1, n_periods=1), torch.float64, 1e-12),
    (Case(5, (2, 33), RMS, n_steps=2, n_periods=1), torch.float64, 1e-12),
    (Case(3, (20,), AS_PRINTED, n_steps=2, n_periods=1), torch.float64, 1e-12),
    (Case(20, (1, 20), RMS, n_steps=1, n_periods=2), torch.float32, 2e-5),
]


def make_kernel(case: Case, dtype: torch.dtype) -> gpu.Kernel:
    return gpu.Kernel(case.rule, dtype, DEVICE)


def make_stepper(case: Case, dtype: torch.dtype = torch.float64) -> gpu.FusedStepper:
    return gpu.FusedStepper(make_kernel(case, dtype), case.theta().to(DEVICE, dtype))


def run_periods(case: Case, make: Any, gradients: Tensor, upstreams: Tensor) -> list[Tensor]:
    """Directions, states and gradients of Θ of all periods, on the CPU."""
    state: Any = case.rule.init_state(gradients[0, 0])
    results: list[Tensor] = []
    for inputs, upstream in zip(gradients, upstreams, strict=True):
        tape = make(state)
        results += [tape.step(gradient) for gradient in inputs]
        state = tape.state
        results += [*state, tape.backward(upstream)]
    return [x.cpu() for x in results]


@pytest.mark.parametrize(("case", "dtype", "tolerance"), CASES, ids=str)
def test_periods_are_the_plain_rules(
    case: Case, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that a program goes through several blocks.
    monkeypatch.setattr("hyperadam.kernels.triton_cell.launcher.PROGRAMS", 3)
    theta = case.theta()
    inputs = case.draw(1)
    upstreams = case.draw(2)
    kernel = make_kernel(case, dtype)

    def open_plain(state: Any) -> ReferenceTape:
        return ReferenceTape(case.rule, theta, state)

    def open_fused(state: Any) -> gpu.FusedTape:
        return gpu.FusedTape(kernel, theta.to(DEVICE, dtype), state)

    expected = run_periods(case, open_plain, inputs, upstreams)
    fused = run_periods(case, open_fused, inputs.to(DEVICE, dtype), upstreams.to(DEVICE, dtype))
    check_close(fused, expected, tolerance=tolerance)


@pytest.mark.parametrize("stored", [torch.float64, torch.bfloat16], ids=str)
def test_steps_in_place(stored: torch.dtype) -> None:
    case = Case(2, (2, 65), RMS, n_steps=1 + (stored == torch.bfloat16), n_periods=1)
    gradients = case.draw(1)[0]
    rule = case.rule if stored == torch.float64 else RoundedHidden(case.rule.spec)
    plain = ReferenceStepper(rule, case.theta())
    fused = make_stepper(case)
    expected = case.rule.init_state(gradients[0].to(stored))
    state = case.rule.init_state(gradients[0].to(DEVICE, stored))
    out = torch.empty_like(gradients[0], device=DEVICE)
    addresses = [field.data_ptr() for field in state]
    for gradient in gradients:
        direction, expected = plain.step(gradient, expected)
        result = fused.step(gradient.to(DEVICE), state, out_state=state, out=out)
        assert result[0] is out
        assert result[1] is state
        assert distance(out.cpu(), direction) < 1e-12
        fields = [field.cpu().double() for field in state]
        check_close(fields, [field.double() for field in expected], tolerance=1e-12)
    assert [field.data_ptr() for field in state] == addresses


def test_zeros_move_nothing_and_nan_stays_where_the_plain_rule_has_it() -> None:
    case = Case(2, (2, 40), RMS)
    gradient = torch.zeros(2, 40)
    state = case.rule.init_state(gradient)
    stepper = make_stepper(case, torch.float32)
    start = case.rule.init_state(gradient.to(DEVICE))
    direction, _ = stepper.step(gradient.to(DEVICE), start)
    assert not direction.any()

    gradient[1, 7] = torch.nan
    fused, _ = stepper.step(gradient.to(DEVICE), start)
    plain, _ = ReferenceStepper(case.rule, case.theta().float()).step(gradient, state)
    assert torch.equal(fused.cpu().isnan(), plain.isnan())
    assert fused.isnan().any()


def test_wrong_arguments_are_named() -> None:
    case = Case(2, (2, 30))
    fused = make_stepper(case)
    gradient = torch.zeros(2, 30, dtype=torch.float64, device=DEVICE)
    state = case.rule.init_state(gradient)
    with pytest.raises(ValueError, match=r"gradient must be torch\.float64"):
        fused.step(gradient.float(), state)
    with pytest.raises(ValueError, match=r"state\.m must be"):
        fused.step(gradient, state._replace(m=state.m[:1]))
    with pytest.raises(ValueError, match="must be contiguous"):
        fused.step(gradient, state, out=torch.zeros(30, 2, dtype=torch.float64, device=DEVICE).T)
    with pytest.raises(ValueError, match="coordinates"):
        fused.step(gradient[:, :0], case.rule.init_state(gradient[:, :0]))
    with pytest.raises(ValueError, match="theta must be"):
        gpu.FusedTape(make_kernel(case, torch.float64), case.theta()[1:].to(DEVICE), state)


def test_tensors_in_ordinary_memory_are_left_to_the_cpu() -> None:
    case = Case(2, (2, 30))
    assert gpu.choose_kernel(case.rule, case.theta()) is None
