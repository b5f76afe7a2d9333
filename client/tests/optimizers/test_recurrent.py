"""`hyperadam.DMOptimizer` and `hyperadam.RNNprop`: what is theirs beside what all learned
optimizers share."""

from __future__ import annotations

import copy
from pathlib import Path

import hyperadam
import pytest
import torch
from hyperadam.optimizers import DMOptimizer, HyperAdam, LearnedOptimizer, RNNprop
from hyperadam.rates import Rate
from hyperadam.rules import DMRule, HyperAdamRule, RNNpropRule, rule_from_spec
from hyperadam.theta import Theta
from torch import Tensor, nn

BOTH = pytest.mark.parametrize("optimizer_type", [DMOptimizer, RNNprop])


def make_theta(kind: str) -> Theta:
    """A drawn Θ whose output layer is strong enough to be seen; never a trained one."""
    rule = rule_from_spec({"kind": kind, "n_hidden": 5})
    vector = 0.5 * torch.randn(rule.n_theta, generator=torch.Generator().manual_seed(0))
    return Theta.from_vector(rule, vector, rate=Rate(lr=1.0), provenance={"made_by": "a test"})


def make(optimizer_type: type[LearnedOptimizer]) -> tuple[nn.Module, LearnedOptimizer]:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    groups = [
        {"params": model[0].parameters()},
        {"params": model[2].parameters(), "lr": 0.5, "weight_decay": 0.008},
    ]
    return model, optimizer_type(groups, make_theta(*optimizer_type.rule_kinds))


def train(model: nn.Module, optimizer: LearnedOptimizer, steps: range) -> None:
    """Random gradients; every third step, the first parameter has none."""
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for index, parameter in enumerate(model.parameters()):
            gradient = torch.randn(parameter.shape, generator=generator)
            parameter.grad = None if not index and step % 3 == 0 else gradient
        optimizer.step()


def flat(model: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


@BOTH
def test_is_the_rule_over_one_flat_vector(optimizer_type: type[LearnedOptimizer]) -> None:
    theta = make_theta(*optimizer_type.rule_kinds)
    w = torch.linspace(-1, 1, 6, dtype=torch.float64)
    parameters = [nn.Parameter(w[:4].view(2, 2).clone()), nn.Parameter(w[4:].clone())]
    optimizer = optimizer_type(parameters, theta, lr=0.3)
    tensors = {name: x.double() for name, x in theta.tensors.items()}
    state = theta.rule.init_state(w)
    for step in range(4):
        gradient = torch.randn(
            6, dtype=torch.float64, generator=torch.Generator().manual_seed(step)
        )
        parameters[0].grad = gradient[:4].view(2, 2)
        parameters[1].grad = gradient[4:]
        optimizer.step()
        direction, state = theta.rule.update(tensors, gradient, state)
        w = w - 0.3 * direction
    moved = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    assert (w - torch.linspace(-1, 1, 6)).abs().min() > 1e-3
    torch.testing.assert_close(moved, w, rtol=0, atol=1e-12)


@BOTH
def test_a_state_dict_continues_bit_for_bit(
    optimizer_type: type[LearnedOptimizer], tmp_path: Path
) -> None:
    whole, optimizer = make(optimizer_type)
    train(whole, optimizer, range(7))
    first, optimizer = make(optimizer_type)
    train(first, optimizer, range(4))
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    second, optimizer = make(optimizer_type)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    optimizer.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(second, optimizer, range(4, 7))
    assert torch.equal(flat(second), flat(whole))
    assert not torch.equal(flat(first), flat(whole))


def test_each_parameter_of_rnnprop_corrects_its_moments_by_its_own_steps() -> None:
    model, optimizer = make(RNNprop)
    train(model, optimizer, range(4))  # the first parameter misses steps 0 and 3
    factors = [optimizer.state[parameter]["beta1_hat"] for parameter in model.parameters()]
    torch.testing.assert_close(factors[0], torch.full((1, 5, 3), 1 - 0.95**2))
    torch.testing.assert_close(factors[1], torch.full((1, 5), 1 - 0.95**4))


@BOTH
def test_zero_gradients_give_finite_steps(optimizer_type: type[LearnedOptimizer]) -> None:
    model, optimizer = make(optimizer_type)
    for _ in range(5):
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    assert flat(model).isfinite().all()


@BOTH
def test_a_theta_file_runs(optimizer_type: type[LearnedOptimizer], tmp_path: Path) -> None:
    theta = make_theta(*optimizer_type.rule_kinds)
    theta.save(tmp_path / "theta.safetensors")
    loaded = hyperadam.Theta.load(tmp_path / "theta.safetensors")
    assert loaded.rule.spec == theta.rule.spec
    assert loaded.sha256 == theta.sha256
    optimizer = optimizer_type([nn.Parameter(torch.ones(2))], loaded)
    assert optimizer.param_groups[0]["lr"] == 1.0


@BOTH
def test_the_theta_of_the_paper_comes_with_the_package(
    optimizer_type: type[LearnedOptimizer],
) -> None:
    optimizer = optimizer_type([nn.Parameter(torch.ones(2))])
    assert optimizer.theta.sha256 == hyperadam.pretrained(optimizer_type.default_theta).sha256
    assert optimizer.param_groups[0]["lr"] == 1.0


@pytest.mark.parametrize(
    ("optimizer_type", "rule"),
    [(DMOptimizer, RNNpropRule()), (RNNprop, HyperAdamRule()), (HyperAdam, DMRule())],
)
def test_theta_of_another_kind_is_refused(
    optimizer_type: type[LearnedOptimizer], rule: object
) -> None:
    assert isinstance(rule, (DMRule, RNNpropRule, HyperAdamRule))
    theta = Theta.from_vector(rule, torch.zeros(rule.n_theta), rate=Rate(lr=1.0))
    with pytest.raises(
        ValueError, match=f"theta is of kind '{rule.kind}'; {optimizer_type.__name__} runs"
    ):
        optimizer_type([nn.Parameter(torch.ones(2))], theta)
