"""Complex parameters, as those of Fourier neural operators: their real and imaginary parts are
coordinates. torch's AdamW, the control, has them so, too.
"""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from every_optimizer import (
    Make,
    every_learned,
    every_optimizer,
    make_adamw,
    make_hyperadam,
    make_rnnprop,
    make_tensor,
)
from hyperadam import HyperAdam
from hyperadam.rules.tensor_state import LENGTH_BASE
from torch import Tensor, nn

SHAPES = ((3, 4), (4,), (), (2, 3, 2, 2))


def make_parameters(dtype: torch.dtype = torch.complex64) -> list[nn.Parameter]:
    torch.manual_seed(3)
    return [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in SHAPES]


def make_parts(parameters: list[nn.Parameter]) -> list[nn.Parameter]:
    """Real ones with the same numbers."""
    return [nn.Parameter(torch.view_as_real(one.detach()).clone()) for one in parameters]


def set_gradients(parameters: list[nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)


def set_parts(parts: list[nn.Parameter], parameters: list[nn.Parameter]) -> None:
    """The same gradients."""
    for part, parameter in zip(parts, parameters, strict=True):
        assert parameter.grad is not None
        part.grad = torch.view_as_real(parameter.grad).clone()


def read_length(digits: Tensor) -> float:
    return float(digits[0] * LENGTH_BASE + digits[1])


def step_both(
    parameters: list[nn.Parameter], optimizer: Any, parts: list[nn.Parameter], twin: Any, step: int
) -> None:
    set_gradients(parameters, step)
    set_parts(parts, parameters)
    optimizer.step()
    twin.step()


def assert_same(parameters: list[nn.Parameter], parts: list[nn.Parameter]) -> None:
    for parameter, part in zip(parameters, parts, strict=True):
        assert torch.equal(torch.view_as_real(parameter.detach()), part.detach())


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128], ids=str)
@pytest.mark.parametrize("make", [make_adamw, make_hyperadam, make_rnnprop])
def test_parts_are_coordinates(make: Make, dtype: torch.dtype) -> None:
    parameters = make_parameters(dtype)
    parts = make_parts(parameters)
    optimizer, twin = make(parameters), make(parts)
    before = [parameter.detach().clone() for parameter in parameters]
    for step in range(4):
        step_both(parameters, optimizer, parts, twin, step)
    assert_same(parameters, parts)
    assert not any(torch.equal(x, y) for x, y in zip(parameters, before, strict=True))


@every_learned
def test_parts_go_on_from_the_same_state(make: Make) -> None:
    """A rule with its cells a tensor has read the shape by then."""
    parameters = make_parameters()
    optimizer = make(parameters)
    set_gradients(parameters, 0)
    optimizer.step()

    parts = make_parts(parameters)
    twin = make(parts)
    twin.load_state_dict(optimizer.state_dict())
    for step in range(1, 5):
        step_both(parameters, optimizer, parts, twin, step)
    assert_same(parameters, parts)


@pytest.mark.parametrize("shape", [(6, 5), (30,), (2, 3, 5)], ids=str)
def test_a_tensor_is_read_without_its_parts(shape: tuple[int, ...]) -> None:
    """What a state begins with says fan-in, role and scale; it is of twice as many coordinates."""
    states = []
    for value in (0.3 + 0.3j, 0.3):
        parameter = nn.Parameter(torch.full(shape, value))
        parameter.grad = torch.full_like(parameter, value)
        optimizer = make_tensor([parameter])
        optimizer.step()
        states.append(optimizer.state[parameter])
    of_complex, of_real = states
    assert of_complex["m"].shape == (*of_real["m"].shape, 2)
    assert read_length(of_complex["length"]) == 2 * read_length(of_real["length"]) == 60
    alike = {"beta_hat", "gamma_hat", "means", "n_steps", "start_rms", "traits"}
    assert alike == set(of_real) - {"m", "v", "length"}
    for name in alike:
        torch.testing.assert_close(of_complex[name], of_real[name])


@every_learned
def test_a_conjugation_that_torch_put_off_is_done(make: Make) -> None:
    ends = []
    for is_put_off in (True, False):
        weight = nn.Parameter(torch.tensor([1 + 2j, 3 - 1j]))
        optimizer = make([weight])
        for _ in range(3):
            optimizer.zero_grad()
            (weight.conj() * torch.tensor(1j)).real.sum().backward()
            assert weight.grad is not None
            assert weight.grad.is_conj()
            if not is_put_off:
                weight.grad = weight.grad.resolve_conj()
            optimizer.step()
        ends.append(weight.detach())
    assert torch.equal(*ends)


@every_optimizer
def test_a_change_of_sign_that_torch_put_off_is_done(make: Make) -> None:
    """The imaginary part of a conjugate lies in memory with the other sign."""
    ends = []
    for is_put_off in (True, False):
        weight = nn.Parameter(torch.zeros(4))
        optimizer = make([weight])
        for step in range(3):
            memory = torch.randn(4, generator=torch.Generator().manual_seed(step))
            weight.grad = torch._neg_view(memory) if is_put_off else -memory
            assert weight.grad.is_neg() == is_put_off
            optimizer.step()
        ends.append(weight.detach())
    assert torch.equal(*ends)


@pytest.mark.parametrize(
    "weight",
    [
        torch._neg_view(torch.ones(2)),
        torch.tensor([1j, 2.0]).conj(),
        torch.tensor([1j]).conj().imag,
    ],
    ids=["sign", "conjugation", "imaginary part"],
)
@every_learned
def test_weights_that_are_not_what_lies_in_memory_are_refused(make: Make, weight: Tensor) -> None:
    with pytest.raises(TypeError, match="put off a change of sign: make it of a tensor's resolve"):
        make([nn.Parameter(weight)])
    make([nn.Parameter(weight.resolve_neg().resolve_conj())])


@every_learned
def test_rows_without_a_gradient_do_not_decay(make: Make) -> None:
    weight = nn.Parameter(torch.ones(3, 2, dtype=torch.complex64))
    optimizer = make([weight], weight_decay=0.004)
    still = nn.Parameter(weight.detach().clone())
    other = make([still], weight_decay=0.0)
    for parameter in (weight, still):
        parameter.grad = torch.zeros_like(parameter)
        parameter.grad[0, 1] = 1j
    optimizer.step()
    other.step()
    decayed = (weight != still).detach()
    assert decayed[0].all()
    assert not decayed[1:].any()


@every_learned
def test_a_step_is_as_long_as_inspect_says(make: Make) -> None:
    parameters = make_parameters()
    optimizer: Any = make(parameters)
    for step in range(3):
        before = [parameter.detach().clone() for parameter in parameters]
        set_gradients(parameters, step)
        optimizer.step()
    for one, parameter, old in zip(optimizer.inspect(), parameters, before, strict=True):
        moved = torch.view_as_real(parameter.detach() - old).square().mean().sqrt()
        scale = torch.view_as_real(parameter.detach()).square().mean().sqrt()
        assert one.shape == (*parameter.shape, 2)
        assert one.effective_lr * one.direction_rms == pytest.approx(moved.item(), rel=1e-3)
        assert one.weight_rms == pytest.approx(scale.item(), rel=1e-6)


@every_learned
def test_goes_on_from_a_checkpoint_to_the_bit(make: Make) -> None:
    parameters = make_parameters()
    optimizer = make(parameters)
    for step in range(2):
        set_gradients(parameters, step)
        optimizer.step()
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    copies = [nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    other = make(copies)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for some, one in ((parameters, optimizer), (copies, other)):
        set_gradients(some, 2)
        one.step()
    assert all(map(torch.equal, parameters, copies))


@every_learned
def test_what_is_not_finite_in_one_part_is_refused(make: Make) -> None:
    weight = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    optimizer = make([weight])
    weight.grad = torch.complex(torch.zeros(2), torch.tensor([1.0, torch.inf]))
    with pytest.raises(FloatingPointError, match="gradient of parameter 0 of group 0"):
        optimizer.step()
    assert torch.equal(weight.detach(), torch.ones(2, dtype=torch.complex64))


@pytest.mark.parametrize("make", [make_adamw, HyperAdam])
def test_a_spectral_filter_is_learned(make: Make) -> None:
    """Multiply by a complex number in each frequency: a layer of a Fourier neural operator."""
    torch.manual_seed(0)
    filter_ = torch.randn(9, dtype=torch.complex64)
    weight = nn.Parameter(torch.randn(9, dtype=torch.complex64))
    optimizer = make([weight])

    def measure() -> Tensor:
        spectrum = torch.fft.rfft(torch.randn(32, 16))
        return (torch.fft.irfft(spectrum * (weight - filter_), n=16) ** 2).mean()

    first = measure().item()
    for _ in range(300):
        optimizer.zero_grad()
        loss = measure()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@every_learned
def test_dtensors_of_them_step_as_whole_ones(make: Make) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (1,))
    whole = make_parameters()[:2]
    spread = [
        nn.Parameter(distribute_tensor(one.detach().clone(), mesh, [Shard(0)])) for one in whole
    ]
    optimizers = [make(whole), make(spread)]
    for step in range(3):
        set_gradients(whole, step)
        for one, other in zip(whole, spread, strict=True):
            assert one.grad is not None
            other.grad = distribute_tensor(one.grad.clone(), mesh, [Shard(0)])
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(whole, spread, strict=True):
        assert torch.equal(one.detach(), other.detach().full_tensor())  # type: ignore[attr-defined]
        moment = optimizers[1].state[other]["m"]
        assert moment.shape == optimizers[0].state[one]["m"].shape
