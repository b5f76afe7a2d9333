"""`hyperadam.HyperAdam` with a Θ of kind `hyperadam-tensor`: what differs where a state has numbers
a tensor, and steps follow the weights."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import hyperadam
import pytest
import torch
from hyperadam import HyperAdam, Theta
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec
from small_run import make_parameters, set_gradients
from torch import Tensor, nn


def make_theta(noise: float = 0.1, **options: Any) -> Theta:
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
        {"params": model[2].parameters(), "lr": 0.5, "weight_decay": 0.008},
    ]
    return model, HyperAdam(groups, theta, **options)


def train(model: nn.Module, optimizer: HyperAdam, steps: range) -> None:
    """Random gradients; every third step, the first parameter has none."""
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for index, parameter in enumerate(model.parameters()):
            gradient = torch.randn(parameter.shape, generator=generator)
            gradient[step % 2] = 0.0
            parameter.grad = None if not index and step % 3 == 0 else gradient
        optimizer.step()


def flatten(parameters: list[nn.Parameter]) -> Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])


@pytest.mark.parametrize("options", [{}, {"sees_network": True}, {"sparse_above": 0.1}], ids=str)
def test_is_the_rule_over_the_tensors_of_one_flat_vector(options: dict[str, Any]) -> None:
    theta = make_theta(**options)
    parameters = make_parameters(torch.float64)
    optimizer = HyperAdam(parameters, theta, warmup_steps=0, decay_after=0)
    tensors = {name: x.double() for name, x in theta.tensors.items()}
    w = flatten(parameters)
    state = theta.rule.init_state(w, [parameter.shape for parameter in parameters])
    for step in range(5):
        set_gradients(parameters, step)
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad.view(-1)[step % 3 :: 3] = 0.0
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


@pytest.mark.parametrize("sparse_above", [1.0, 0.1])
@pytest.mark.parametrize("state_dtype", [None, torch.bfloat16])
def test_a_state_dict_continues_bit_for_bit(
    state_dtype: torch.dtype | None, sparse_above: float, tmp_path: Path
) -> None:
    theta = make_theta(sparse_above=sparse_above)
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


class Embedding:
    """Ten rows of 8 numbers, of which each step looks up two; the first one is seen once or as
    often as is said."""

    def __init__(self, theta: Theta, n_rows: int = 10) -> None:
        self.generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(n_rows, 8, generator=self.generator))
        self.start = self.weight.detach().clone()
        self.optimizer = HyperAdam([self.weight], theta)

    def step(self, *rows: int) -> None:
        gradient = torch.zeros_like(self.weight)
        for row in rows:
            gradient[row] = torch.randn(8, generator=self.generator)
        self.weight.grad = gradient
        self.optimizer.step()

    def measure_moves(self) -> Tensor:
        """How far each row has gone, over how long rows were."""
        moved = (self.weight.detach() - self.start).square().mean(1).sqrt()
        return moved / self.start.square().mean().sqrt()


@pytest.mark.parametrize("kernel", ["auto", "off"])
@pytest.mark.parametrize(("sparse_above", "goes_on"), [(1.0, False), (0.8, False), (0.75, True)])
def test_a_row_that_is_not_looked_up_goes_on_in_a_sparse_tensor(
    sparse_above: float, goes_on: bool, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERADAM_KERNEL", kernel)
    embedding = Embedding(make_theta(sparse_above=sparse_above))
    embedding.step(0, 1)
    seen = embedding.measure_moves()
    embedding.step(2, 3)
    moves = embedding.measure_moves()
    assert bool((moves[:2] != seen[:2]).all()) is goes_on
    assert bool((moves[2:4] > 0).all())
    assert not moves[4:].any()  # never looked up
    state = embedding.optimizer.state[embedding.weight]
    assert state["means"].shape == (6 + (sparse_above < 1), 1)


@pytest.mark.parametrize("first_seen", [1, 100])
def test_a_row_that_is_seen_once_does_not_run_away(first_seen: int) -> None:
    shipped = hyperadam.pretrained("hyperadam-v7")
    rule = HyperAdamTensorRule(replace(shipped.rule.spec, sparse_above=0.75))
    embedding = Embedding(Theta(rule, shipped.tensors, shipped.rate), n_rows=100)
    rows = torch.randint(1, 100, (1000, 10), generator=torch.Generator().manual_seed(1))
    for step, others in enumerate(rows.tolist(), 1):
        if step == first_seen + 300:
            moved = embedding.measure_moves()[0]
        embedding.step(*others, *([0] if step == first_seen else []))
    moves = embedding.measure_moves()
    assert moves[0] == moved
    assert 0 < moves[0] < moves[1:].mean()


def test_a_tensor_without_any_gradient_stands_still() -> None:
    embedding = Embedding(make_theta(sparse_above=0.5))
    embedding.step(*range(10))
    embedding.step()
    moves = embedding.measure_moves()
    assert moves.all()
    for _ in range(2):
        embedding.step()
    assert torch.equal(embedding.measure_moves(), moves)


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
