"""The Triton kernels of the rule whose cells are a tensor's against the plain rule: on a GPU where
there is one, else by Triton's interpreter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam.kernels import ReferenceStepper, ReferenceStepwiseTape, ReferenceTape
from hyperadam.kernels.gpu_tensor import FusedGPUTensorStepper, FusedPassRule, fuse_on_gpu
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec
from kernel_cases import SPARSE_ABOVE, distance, drop_some
from torch import Tensor

pytest.importorskip(
    "triton", reason="no Triton; it comes with torch's CUDA builds, or by pip install triton"
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
DEVICE = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
SHAPES = [(3, 4), (4,), (), (0, 3), (5, 7), (2, 2, 1, 3), (2, 1, 3)]
"""Matrices, a vector, a scalar, nothing, a kernel and a stack: parts of a block, and several."""
LENGTHS = [torch.Size(shape).numel() for shape in SHAPES]
P = sum(LENGTHS)
N_STEPS = 3


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a tensor has several, and their sums go several at a time."""
    monkeypatch.setattr("hyperadam.kernels.triton_tensor.launcher.BLOCK", 16)
    monkeypatch.setattr("hyperadam.kernels.triton_tensor.launcher.CHUNK", 2)


class Period:
    """Gradients, of which some are 0, and upstreams of a few steps."""

    def __init__(self, n_candidates: int, batch: tuple[int, ...] = (2,), **options: Any) -> None:
        generator = torch.Generator().manual_seed(n_candidates)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        spec = HyperAdamTensorSpec(
            n_candidates=n_candidates, n_hidden=4, direction_bound=2.0, **options
        )
        self.rule = HyperAdamTensorRule(spec)
        start = self.rule.pack(self.rule.init_theta(generator)).double()
        self.theta = start + 0.2 * draw(len(start))
        self.gradients = draw(N_STEPS, *batch, P) * torch.exp(2 * draw(*batch, P))
        self.gradients[..., ::5] = 0.0
        for step, gradient in enumerate(self.gradients):
            drop_some(gradient, LENGTHS, step)
        self.upstreams = draw(N_STEPS, *batch, P)
        self.w = draw(*batch, P)
        self.w[..., 16:20] = 0.0

    def begin(self, dtype: torch.dtype = torch.float64, device: Any = "cpu") -> Any:
        return self.rule.init_state(self.w.to(device, dtype), SHAPES)

    def run(self, rule: Any, dtype: torch.dtype, device: Any = "cpu") -> list[Tensor]:
        """Directions, the last state, adjoints of gradients, and gradients of Θ; on the CPU."""
        theta = self.theta.to(device, dtype)
        tape = ReferenceStepwiseTape(rule, theta, self.begin(dtype, device))
        results = [tape.step(gradient) for gradient in self.gradients.to(device, dtype)]
        results += tape.state
        results += [tape.backward_step(up) for up in self.upstreams.to(device, dtype)]
        return [result.cpu() for result in (*results, tape.theta_gradients)]


@pytest.mark.parametrize(
    ("n_candidates", "options", "dtype", "tolerance"),
    [
        (1, {}, torch.float64, 1e-12),
        (3, {"sees_network": True}, torch.float64, 1e-12),
        (4, {}, torch.float32, 1e-4),
        (2, {"sparse_above": SPARSE_ABOVE}, torch.float64, 1e-12),
        (4, {"sparse_above": SPARSE_ABOVE}, torch.float32, 2e-3),
    ],
    ids=str,
)
def test_steps_and_their_derivatives_are_the_plain_rules(
    n_candidates: int, options: dict[str, Any], dtype: torch.dtype, tolerance: float
) -> None:
    """Directions do not depend on the size of a gradient that comes once: where a coordinate goes
    on, its adjoint is a difference of large numbers, of which float32 leaves less."""
    period = Period(n_candidates, **options)
    expected = period.run(period.rule, torch.float64)
    fused = period.run(FusedPassRule(period.rule), dtype, DEVICE)
    assert expected[-1].abs().min() > 0
    for place, (result, wanted) in enumerate(zip(fused, expected, strict=True)):
        assert distance(result, wanted) < tolerance, place


@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_a_period_of_first_order_is_the_plain_rules(batch: tuple[int, ...]) -> None:
    period = Period(2, batch)
    gradients = []
    for rule, device in ((period.rule, torch.device("cpu")), (None, DEVICE)):
        run = rule or FusedPassRule(period.rule)
        tape = ReferenceTape(run, period.theta.to(device), period.begin(device=device))
        for gradient in period.gradients.to(device):
            tape.step(gradient)
        gradients.append(tape.backward(period.upstreams.to(device)).cpu())
    assert distance(gradients[1], gradients[0]) < 1e-12


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16], ids=str)
def test_steps_in_place_in_either_dtype(stored: torch.dtype) -> None:
    """A moment that lies between two of bfloat16 may be rounded to the other one."""
    period = Period(4, (), sparse_above=SPARSE_ABOVE)
    theta = period.theta.float()
    plain = ReferenceStepper(period.rule, theta)
    fused = FusedGPUTensorStepper(FusedPassRule(period.rule), theta.to(DEVICE))
    expected = period.rule.cast_state(period.begin(torch.float32), stored)
    state = period.rule.cast_state(period.begin(torch.float32, DEVICE), stored)
    addresses = [field.data_ptr() for field in state]
    for gradient in period.gradients.float():
        wanted, expected = plain.step(gradient, expected)
        buffer = gradient.to(DEVICE)
        direction, after = fused.step(buffer, state, out_state=state, out=buffer)
        assert direction is buffer
        assert after is state
        tolerance = 1e-4 if stored == torch.float32 else 1e-2
        assert distance(direction.cpu(), wanted) < tolerance
    assert [field.data_ptr() for field in state] == addresses
    assert state.m.dtype == stored
    for name, field in state._asdict().items():
        wanted_field = getattr(expected, name).double()
        assert distance(field.cpu().double(), wanted_field) < 1e-2, name


def test_a_state_of_other_shapes_is_refused() -> None:
    period = Period(2)
    stepper = FusedGPUTensorStepper(FusedPassRule(period.rule), period.theta.to(DEVICE))
    state = period.begin(device=DEVICE)
    gradient = period.gradients[0].to(DEVICE)
    with pytest.raises(ValueError, match=r"state\.m must be"):
        stepper.step(gradient, state._replace(m=state.m[:1]))
    with pytest.raises(ValueError, match="state is of"):
        stepper.step(gradient, state._replace(length=state.length + 1))
    with pytest.raises(ValueError, match="gradient must be"):
        stepper.step(gradient.float(), state)
    with pytest.raises(ValueError, match="out must be"):
        stepper.step(gradient, state, out=gradient[:, 1:])


def test_tensors_in_ordinary_memory_are_left_to_the_cpu() -> None:
    period = Period(2)
    assert fuse_on_gpu(period.rule, period.theta) is None
