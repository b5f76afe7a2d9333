"""Starts by layer have the scales that people's starts have."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from meta_trainer.learners import MLP

SIZES = (400, 100, 10)


def start(initialization: str, n_learners: int = 2) -> list[Tensor]:
    """The parameters of all learners, one tensor for each."""
    learner = MLP(SIZES, "relu", initialization)
    generators = [torch.Generator().manual_seed(i) for i in range(n_learners)]
    w = learner.start(generators, 0.1, torch.float32)
    lengths = [math.prod(shape) for shape in learner.shapes]
    return list(w.split(lengths, dim=1))


def test_torch_is_what_linear_layers_do() -> None:
    modules = nn.Linear(400, 100), nn.Linear(100, 10)
    for part, module in zip(start("torch")[::2], modules, strict=True):
        theirs = module.weight.detach()
        assert float(part.abs().max()) == pytest.approx(float(theirs.abs().max()), rel=0.02)
        assert float(part.std()) == pytest.approx(float(theirs.std()), rel=0.05)


def test_biases_of_torch_have_the_bound_of_their_weights() -> None:
    bias = start("torch", n_learners=40)[1]
    assert 0.97 / 20 < float(bias.abs().max()) <= 1 / 20


@pytest.mark.parametrize(("name", "stds"), [("gpt2", (0.02, 0.02)), ("lecun", (0.05, 0.1))])
def test_normal_weights_and_no_biases(name: str, stds: tuple[float, float]) -> None:
    first, first_bias, last, last_bias = start(name, n_learners=8)
    assert float(first.std()) == pytest.approx(stds[0], rel=0.03)
    assert float(last.std()) == pytest.approx(stds[1], rel=0.03)
    assert not first_bias.any()
    assert not last_bias.any()


def test_a_learner_starts_the_same_in_any_company() -> None:
    together = start("lecun", n_learners=3)[0]
    assert torch.equal(together[:1], start("lecun", n_learners=1)[0])
    assert not torch.equal(together[0], together[1])


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(ValueError, match=r"must be normal, torch, .* got 'kaiming'"):
        start("kaiming")
