"""What an optimizer keeps, and that a step takes no more: states in bfloat16, and steps that
allocate nothing."""

from __future__ import annotations

import copy

import hyperadam
import pytest
import torch
from hyperadam import DMOptimizer, HyperAdam, RNNprop, Theta
from hyperadam.optimizers import LearnedOptimizer
from hyperadam.rates import Rate
from hyperadam.rules import DMRule, HyperAdamRule, HyperAdamSpec, RNNpropRule
from torch import Tensor, nn

THETAS = {
    HyperAdam: HyperAdamRule(HyperAdamSpec(n_candidates=4, normalization="rms", squash="asinh")),
    RNNprop: RNNpropRule(),
    DMOptimizer: DMRule(),
}
every_optimizer = pytest.mark.parametrize("kind", list(THETAS))


def make(
    kind: type[LearnedOptimizer],
    state_dtype: torch.dtype | None,
    dtype: torch.dtype = torch.float32,
) -> tuple[list[nn.Parameter], LearnedOptimizer]:
    torch.manual_seed(1)
    rule = THETAS[kind]
    theta = Theta.from_vector(
        rule,
        rule.pack(rule.init_theta(torch.Generator().manual_seed(0), rule.inits[0])),
        rate=Rate(lr=0.1),
    )
    parameters = [nn.Parameter(torch.randn(shape).to(dtype)) for shape in ((30, 4), (4,), ())]
    return parameters, kind(parameters, theta, state_dtype=state_dtype)


def train(parameters: list[nn.Parameter], optimizer: LearnedOptimizer, steps: range) -> Tensor:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator).to(parameter)
        optimizer.step()
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])


def state_bytes(optimizer: LearnedOptimizer) -> int:
    return sum(field.nbytes for fields in optimizer.state.values() for field in fields.values())


@every_optimizer
def test_a_bfloat16_state_takes_half_and_moves_nearly_the_same(
    kind: type[LearnedOptimizer],
) -> None:
    (full, optimizer) = make(kind, None)
    (half, small) = make(kind, torch.bfloat16)
    start = torch.cat([parameter.detach().reshape(-1) for parameter in full])
    expected = train(full, optimizer, range(10)) - start
    way = train(half, small, range(10)) - start
    assert 2 * state_bytes(small) == state_bytes(optimizer)
    assert 0 < float((way - expected).norm() / expected.norm()) < 0.03
    assert {field.dtype for fields in small.state.values() for field in fields.values()} == {
        torch.bfloat16
    }


@every_optimizer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_bfloat16_state_goes_on_bit_for_bit(
    kind: type[LearnedOptimizer], dtype: torch.dtype
) -> None:
    whole = train(*make(kind, torch.bfloat16, dtype), range(6))
    parameters, optimizer = make(kind, torch.bfloat16, dtype)
    train(parameters, optimizer, range(3))
    again, loaded = make(kind, torch.bfloat16, dtype)
    for mine, theirs in zip(again, parameters, strict=True):
        mine.data.copy_(theirs.data)
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert torch.equal(train(again, loaded, range(3, 6)), whole)
    copied = copy.deepcopy(optimizer)
    assert torch.equal(train(list(copied.param_groups[0]["params"]), copied, range(3, 6)), whole)


@pytest.mark.parametrize("dtypes", [(None, torch.bfloat16), (torch.bfloat16, None)], ids=str)
def test_checkpoints_load_into_either(
    dtypes: tuple[torch.dtype | None, torch.dtype | None],
) -> None:
    parameters, optimizer = make(HyperAdam, dtypes[0])
    train(parameters, optimizer, range(3))
    again, loaded = make(HyperAdam, dtypes[1])
    loaded.load_state_dict(optimizer.state_dict())
    train(again, loaded, range(3, 4))
    kept = {field.dtype for fields in loaded.state.values() for field in fields.values()}
    assert kept == {dtypes[1] or torch.float32}


def test_other_dtypes_of_state_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"state_dtype must be None or torch\.bfloat16, got torch\.float16"
    ):
        HyperAdam([nn.Parameter(torch.zeros(2))], hyperadam.pretrained(), state_dtype=torch.float16)


@pytest.mark.usefixtures("needs_compiler")
@pytest.mark.parametrize("state_dtype", [None, torch.bfloat16])
def test_a_step_allocates_nothing(state_dtype: torch.dtype | None) -> None:
    parameters, optimizer = make(HyperAdam, state_dtype)
    train(parameters, optimizer, range(2))
    with torch.profiler.profile(profile_memory=True) as profile:
        optimizer.step()
    taken = {
        event.name: event.self_cpu_memory_usage
        for event in profile.events()
        if event.self_cpu_memory_usage
    }
    assert not taken
