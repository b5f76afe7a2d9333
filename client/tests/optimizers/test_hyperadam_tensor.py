"""`hyperadam.HyperAdam` with a Θ of kind `hyperadam-tensor`: what differs where a state has numbers
a tensor, and steps follow the weights."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path

import pytest
import torch
from hyperadam import HyperAdam, Theta
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec
from small_run import make_parameters, set_gradients
from torch import Tensor, nn


def make_theta(noise: float = 0.1, **options: int) -> Theta:
    rule = HyperAdamTensorRule(HyperAdamTensorSpec(**options))
    generator = torch.Generator().manual_seed(0)
    vector = rule.pack(rule.init_theta(generator))
    vector = vector + noise * torch.randn(len(vector), generator=generator)
    return Theta.from_vector(rule, vector, rate=Rate(lr=1.0, warmup_steps=3, decay_after=4))


def make(theta: Theta, **options: torch.dtype) -> tuple[nn.Module, HyperAdam]:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    groups = [
        {"params": model[0].parameters()},
        {"params": model[2].parameters(), "lr": 0.5, "weight_decay": 0.1},
    ]
    return model, HyperAdam(groups, theta, **options)


def train(model: nn.Module, optimizer: HyperAdam, steps: range) -> None:
    """Random gradients; every third step, the first parameter has none."""
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for index, parameter in enumerate(model.parameters()):
            gradient = torch.randn(parameter.shape, generator=generator)
            parameter.grad = None if not index and step % 3 == 0 else gradient
        optimizer.step()


def flatten(parameters: list[nn.Parameter]) -> Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])


@pytest.mark.parametrize("sees_network", [False, True])
def test_is_the_rule_over_the_tensors_of_one_flat_vector(sees_network: bool) -> None:
    theta = make_theta(sees_network=sees_network)
    parameters = make_parameters(torch.float64)
    optimizer = HyperAdam(parameters, theta, warmup_steps=0, decay_after=0)
    tensors = {name: x.double() for name, x in theta.tensors.items()}
    w = flatten(parameters)
    state = theta.rule.init_state(w, [parameter.shape for parameter in parameters])
    for step in range(5):
        set_gradients(parameters, step)
        gradient = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None])
        direction, state = theta.rule.update(tensors, gradient, state)
        w = w - direction
        optimizer.step()
    torch.testing.assert_close(flatten(parameters), w, rtol=0, atol=1e-12)


def test_steps_follow_the_weights_at_a_parameters_first_step() -> None:
    steps = []
    for scale in (1.0, 4.0):
        weight = nn.Parameter(scale * torch.ones(2, 2))
        optimizer = HyperAdam([weight], make_theta(noise=0.0))
        optimizer.step()  # without a gradient: nothing begins
        with torch.no_grad():
            weight.mul_(2.0)
        before = weight.detach().clone()
        weight.grad = torch.ones(2, 2)
        optimizer.step()
        steps.append(weight.detach() - before)
        torch.testing.assert_close(
            optimizer.state[weight]["start_rms"], torch.full((1, 1), 2 * scale)
        )
    torch.testing.assert_close(steps[1], 4**0.5 * steps[0])


def test_a_parameter_has_numbers_a_coordinate_and_numbers_a_tensor() -> None:
    model, optimizer = make(make_theta())
    train(model, optimizer, range(4))  # the first parameter misses steps 0 and 3
    parameters = list(model.parameters())
    state = optimizer.state[parameters[0]]
    assert state["m"].shape == (4, 5, 3)
    assert state["v"].shape == (1, 5, 3)
    assert state["means"].shape == (6, 1)
    n_steps = [float(optimizer.state[parameter]["n_steps"]) for parameter in parameters]
    assert n_steps == [2, 4, 4, 4]


@pytest.mark.parametrize("state_dtype", [None, torch.bfloat16])
def test_a_state_dict_continues_bit_for_bit(
    state_dtype: torch.dtype | None, tmp_path: Path
) -> None:
    theta = make_theta()
    options = {} if state_dtype is None else {"state_dtype": state_dtype}
    whole, optimizer = make(theta, **options)
    train(whole, optimizer, range(7))
    first, optimizer = make(theta, **options)
    train(first, optimizer, range(4))
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    pickled = pickle.dumps((first, optimizer))

    second, optimizer = make(theta, **options)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    optimizer.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(second, optimizer, range(4, 7))
    third, optimizer = pickle.loads(pickled)  # noqa: S301
    train(third, optimizer, range(4, 7))

    expected = flatten(list(whole.parameters()))
    assert torch.equal(flatten(list(second.parameters())), expected)
    assert torch.equal(flatten(list(third.parameters())), expected)


def test_a_state_dict_of_another_shape_is_refused() -> None:
    model, optimizer = make(make_theta())
    train(model, optimizer, range(2))
    state_dict = optimizer.state_dict()
    state_dict["state"][1]["means"] = torch.zeros(6, 5)
    with pytest.raises(ValueError, match=r"means of parameter 1 has shape \(6, 5\), not \(6, 1\)"):
        optimizer.load_state_dict(state_dict)


def test_in_bfloat16_only_moments_are_rounded() -> None:
    model, optimizer = make(make_theta(), state_dtype=torch.bfloat16)
    exact_model, exact_optimizer = make(make_theta())
    train(model, optimizer, range(6))
    train(exact_model, exact_optimizer, range(6))
    for fields in optimizer.state.values():
        rounded = {name for name, field in fields.items() if field.dtype == torch.bfloat16}
        assert rounded == {"m", "v"}
    torch.testing.assert_close(
        flatten(list(model.parameters())),
        flatten(list(exact_model.parameters())),
        rtol=0.02,
        atol=2e-3,
    )


def test_a_checkpoint_in_bfloat16_goes_on_in_float32() -> None:
    model, rounding = make(make_theta(), state_dtype=torch.bfloat16)
    train(model, rounding, range(2))
    _, exact = make(make_theta())
    exact.param_groups.clear()
    for group in rounding.param_groups:
        exact.add_param_group({"params": group["params"]})
    exact.load_state_dict(rounding.state_dict())
    train(model, exact, range(2, 4))
    dtypes = {field.dtype for fields in exact.state.values() for field in fields.values()}
    assert dtypes == {torch.float32}


def test_zero_gradients_move_nothing() -> None:
    parameters = make_parameters()
    before = flatten(parameters)
    optimizer = HyperAdam(parameters, make_theta())
    for _ in range(3):
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    assert torch.equal(flatten(parameters), before)


def test_has_20_bytes_a_coordinate() -> None:
    weight = nn.Parameter(torch.ones(100, 100))
    optimizer = HyperAdam([weight], make_theta())
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    n_bytes = sum(field.nbytes for field in optimizer.state[weight].values())
    assert 20 <= n_bytes / weight.numel() < 20.02


def test_trains_a_network_from_its_untrained_theta() -> None:
    torch.manual_seed(0)
    rule = HyperAdamTensorRule()
    vector = rule.pack(rule.init_theta(torch.Generator().manual_seed(0)))
    theta = Theta.from_vector(rule, vector, rate=Rate(lr=1.0, warmup_steps=20, decay_after=50))
    inputs = torch.randn(64, 3)
    targets = inputs.prod(1, keepdim=True)
    model = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = HyperAdam(model.parameters(), theta)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.usefixtures("needs_compiler")
@pytest.mark.parametrize("state_dtype", [None, torch.bfloat16])
def test_steps_in_place_are_those_of_other_layouts(state_dtype: torch.dtype | None) -> None:
    """Whose gradients go by a vector of their own, as maximized and strided ones do."""
    theta = make_theta()
    finals = []
    for is_straight in (True, False):
        model, optimizer = make(theta, state_dtype=state_dtype)
        for step in range(6):
            for index, parameter in enumerate(model.parameters()):
                generator = torch.Generator().manual_seed(10 * step + index)
                gradient = torch.randn(parameter.shape, generator=generator)
                gradient[0] = 0.0  # of a matrix, a row that does not decay
                parameter.grad = gradient if is_straight else -gradient
            for group in optimizer.param_groups:
                group["maximize"] = not is_straight
            optimizer.step()
        assert optimizer._stepper.vector is not None
        assert ("buffer" in vars(optimizer._stepper.vector)) is not is_straight
        finals.append(flatten(list(model.parameters())))
    tolerance = 1e-5 if state_dtype is None else 1e-2
    torch.testing.assert_close(finals[0], finals[1], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, 3e19])
def test_a_step_in_place_that_is_not_finite_changes_nothing(bad: float) -> None:
    model, optimizer = make(make_theta())
    train(model, optimizer, range(1, 3))
    before = copy.deepcopy(optimizer.state_dict())
    w = flatten(list(model.parameters()))
    list(model.parameters())[-1].grad[-1] = bad  # type: ignore[index]
    with pytest.raises(FloatingPointError, match=r"not finite|too large"):
        optimizer.step()
    assert torch.equal(flatten(list(model.parameters())), w)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for number, fields in before["state"].items():
        assert all(torch.equal(after["state"][number][name], x) for name, x in fields.items())


@pytest.mark.parametrize(
    ("shape", "options", "straight"),
    [
        ((16, 3), {"transposed": True}, (3, 16)),
        ((2, 5, 4, 3), {"role": "stack"}, (10, 4, 3)),
        ((4, 3, 5), {"role": "kernel"}, (4, 3, 5, 1)),
        ((4, 3), {"role": "vector"}, (12,)),
    ],
)
def test_a_group_says_what_its_cells_are_told(
    shape: tuple[int, ...], options: dict[str, object], straight: tuple[int, ...]
) -> None:
    """Its traits are those of a parameter that looks so, and another one's than it looks."""
    theta = make_theta()
    numbers = torch.randn(math.prod(shape), generator=torch.Generator().manual_seed(1))
    traits = []
    for group in ({"shape": shape, **options}, {"shape": straight}, {"shape": shape}):
        weight = nn.Parameter(numbers.clone().view(group.pop("shape")))  # type: ignore[arg-type]
        weight.grad = torch.ones_like(weight)
        optimizer = HyperAdam([{"params": [weight], **group}], theta)
        optimizer.step()
        traits.append(optimizer.state[weight]["traits"])
    assert torch.equal(traits[0], traits[1])
    assert not torch.equal(traits[0], traits[2])
