"""Steps straight on parameters and state are those of a stepper, and then of `move_parameters`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hyperadam.kernels import Pace, open_mover, open_stepper
from hyperadam.kernels.cpu_tensor_move import FusedTensorMover
from hyperadam.moves import move_parameters
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamTensorRule, HyperAdamTensorSpec
from kernel_cases import SPARSE_ABOVE, distance, drop_some
from torch import Tensor, nn

pytestmark = pytest.mark.usefixtures("needs_compiler")

SHAPES = [(3, 4), (4,), (), (2, 1, 3), (0, 3), (150, 61), (7, 2, 3, 3)]
"""Shorter than a vector of the processor, of several segments, and empty."""
SIZES = [torch.Size(shape).numel() for shape in SHAPES]
RATE = Rate(lr=0.3, warmup_steps=3, decay_after=4, base_fan_in=20, weight_decay=0.1)
N_STEPS = 6


def draw(seed: int, dtype: torch.dtype) -> list[Tensor]:
    """Parameters or gradients of very different sizes; every seventh number is 0."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.logspace(-4, 2, sum(SIZES)) * torch.randn(sum(SIZES), generator=generator)
    numbers[::7] = 0.0
    drop_some(numbers, SIZES, seed)
    parts = numbers.to(dtype).split(SIZES)
    return [part.reshape(shape) for part, shape in zip(parts, SHAPES, strict=True)]


def join(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


class Run:
    """A rule, its Θ, parameters and their state."""

    def __init__(
        self, n_candidates: int, dtype: torch.dtype, stored: torch.dtype, **options: float
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        spec = HyperAdamTensorSpec(n_candidates=n_candidates, **options)  # type: ignore[arg-type]
        self.rule = HyperAdamTensorRule(spec)
        start = self.rule.pack(self.rule.init_theta(generator))
        noise = torch.randn(len(start), generator=generator)
        self.theta = (start + 0.1 * noise).to(dtype)
        self.dtype = dtype
        self.parameters = [part.clone() for part in draw(1, dtype)]
        fresh = self.rule.init_state(join(self.parameters), SHAPES)
        contiguous = type(fresh)(*(field.contiguous() for field in fresh))
        self.state = self.rule.cast_state(contiguous, stored)

    def move(self) -> None:
        mover = open_mover(self.rule, self.theta)
        assert isinstance(mover, FusedTensorMover)
        shares = [RATE.share(shape) for shape in SHAPES]
        for step in range(N_STEPS):
            rates = [RATE.at(step) * share for share in shares]
            retentions = [RATE.retention(step)] * len(shares)
            gradients = draw(2 + step, self.dtype)
            assert mover.fits(self.parameters, gradients)
            mover.move(self.parameters, gradients, self.state, Pace(rates, retentions))

    def step(self) -> None:
        stepper = open_stepper(self.rule, self.theta)
        shares = [RATE.share(shape) for shape in SHAPES]
        for step in range(N_STEPS):
            gradient = join(draw(2 + step, self.dtype))
            flat, self.state = stepper.step(gradient, self.state, out_state=self.state)
            pairs = zip(flat.split(SIZES), SHAPES, strict=True)
            directions = [part.view(shape) for part, shape in pairs]
            move_parameters(self.parameters, directions, RATE, step, shares)


@pytest.mark.parametrize(
    ("dtype", "stored", "tolerance"),
    [
        (torch.float64, torch.float64, 1e-12),
        (torch.float32, torch.float32, 2e-6),
        (torch.float32, torch.bfloat16, 5e-3),
        (torch.float64, torch.bfloat16, 5e-3),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("n_candidates", "sparse_above"), [(1, 1.0), (4, 1.0), (16, 1.0), (4, SPARSE_ABOVE)]
)
def test_moves_as_a_stepper_does(
    n_candidates: int,
    sparse_above: float,
    dtype: torch.dtype,
    stored: torch.dtype,
    tolerance: float,
) -> None:
    moved, stepped, start = (
        Run(n_candidates, dtype, stored, sparse_above=sparse_above) for _ in range(3)
    )
    moved.move()
    stepped.step()
    for mine, theirs, before in zip(
        moved.parameters, stepped.parameters, start.parameters, strict=True
    ):
        assert not mine.numel() or not torch.equal(mine, before)
        assert not mine.numel() or distance(mine - before, theirs - before) < tolerance
    for name, field in moved.state._asdict().items():
        expected = getattr(stepped.state, name)
        assert field.dtype == expected.dtype
        assert distance(field.double(), expected.double()) < tolerance, name


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_the_number_of_threads_does_not_change_a_bit(
    stored: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperadam.kernels.threads.SMALLEST_RANGE", 1)
    runs = []
    n_threads = torch.get_num_threads()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        runs.append(Run(4, torch.float32, stored, sparse_above=SPARSE_ABOVE))
        runs[-1].move()
        torch.set_num_threads(n_threads)
    for run in runs[1:]:
        assert all(map(torch.equal, run.parameters, runs[0].parameters))
        assert all(map(torch.equal, run.state, runs[0].state))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_norm_is_that_of_all_gradients(dtype: torch.dtype) -> None:
    run = Run(4, dtype, dtype)
    mover = open_mover(run.rule, run.theta)
    assert mover is not None
    gradients = draw(3, dtype)
    expected = float(torch.linalg.vector_norm(join(gradients).double()))
    assert mover.measure_norm(gradients) == pytest.approx(expected, rel=1e-6)
    for bad in (torch.inf, torch.nan, torch.finfo(dtype).max ** 0.5 * 1.01):
        for index in (0, 2, 5):
            gradients = [gradient.clone() for gradient in draw(3, dtype)]
            gradients[index].view(-1)[-1] = bad
            assert not torch.tensor(mover.measure_norm(gradients)).isfinite()


class Marked(Tensor):
    """A tensor of somebody's own."""


def test_only_plain_tensors_of_its_dtype_without_gaps_fit() -> None:
    run = Run(4, torch.float32, torch.float32)
    mover = open_mover(run.rule, run.theta)
    assert mover is not None
    plain = [torch.ones(4, 3)]
    assert mover.fits([nn.Parameter(torch.ones(4, 3))], plain)
    assert not mover.fits([torch.ones(4, 3).double()], plain)
    assert not mover.fits(plain, [torch.ones(3, 4).T])
    assert not mover.fits([torch.ones(4, 3).as_subclass(Marked)], plain)
    assert not mover.fits([torch.ones(4, 3, device="meta")], plain)


def test_a_state_of_others_is_refused() -> None:
    run = Run(4, torch.float32, torch.float32)
    mover = open_mover(run.rule, run.theta)
    assert mover is not None
    gradients = draw(2, torch.float32)
    pace = Pace([0.1] * len(SHAPES), [1.0] * len(SHAPES))
    with pytest.raises(ValueError, match=r"state\.m must be"):
        mover.move(run.parameters[1:], gradients[1:], run.state, pace)
    order = [1, 0, *range(2, len(SHAPES))]
    with pytest.raises(ValueError, match="state is of tensors of"):
        mover.move([run.parameters[index] for index in order], gradients, run.state, pace)
    gaps = run.state._replace(v=torch.zeros(1, 2 * sum(SIZES))[:, ::2])
    with pytest.raises(ValueError, match=r"state\.v must be contiguous"):
        mover.move(run.parameters, gradients, gaps, pace)


def test_there_is_none_for_other_rules_nor_where_kernels_are_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other: Any = HyperAdamRule()
    assert open_mover(other, torch.zeros(other.n_theta)) is None
    run = Run(4, torch.float32, torch.float32)
    monkeypatch.setenv("HYPERADAM_KERNEL", "off")
    assert open_mover(run.rule, run.theta) is None
