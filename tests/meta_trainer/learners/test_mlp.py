"""The MLP learner against torch's layers; shapes of every learner."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from meta_trainer.datasets import Dataset, load
from meta_trainer.learners import CNN, LSTM, MLP, Learner, ModuleLearner
from meta_trainer.seeds import make_generator
from meta_trainer.specs import (
    ACTIVATIONS,
)

_MODULES = {
    "sigmoid": torch.nn.Sigmoid,
    "relu": torch.nn.ReLU,
    "elu": torch.nn.ELU,
    "tanh": torch.nn.Tanh,
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("mnist5k")


@pytest.mark.parametrize(
    ("learner", "expected"),
    [
        (MLP((6, 4, 5), "relu"), [(4, 6), (4,), (5, 4), (5,)]),
        (CNN("cnn-1", (3, 2, 2), 5), [(16, 3, 3, 3), (16,), (16, 16, 3, 3), (16,), (5, 16), (5,)]),
        (LSTM(2, 3), [(12, 1), (12, 3), (12,), (12, 3), (12, 3), (12,), (1, 3), (1,)]),
        (ModuleLearner(lambda: torch.nn.Linear(4, 2), F.mse_loss), [(2, 4), (2,)]),
    ],
    ids=["mlp", "cnn", "lstm", "module"],
)
def test_shapes_are_those_of_each_layer(learner: Learner, expected: list[tuple[int, ...]]) -> None:
    assert [tuple(shape) for shape in learner.shapes] == expected
    assert sum(map(math.prod, expected)) == learner.n_coordinates


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_are_those_of_autograd(
    activation: str, hidden: tuple[int, ...], dtype: torch.dtype
) -> None:
    """Bit for bit, with targets of the same class and logits that are far apart."""
    learner = MLP((6, *hidden, 5), activation)
    generator = make_generator(0, "derivatives")
    w = learner.start([make_generator(0, "w", i) for i in range(2)], 3.0, dtype)
    inputs = torch.randn(2, 7, 6, generator=generator).to(dtype)
    targets = torch.randint(2, (2, 7), generator=generator)
    losses, gradients = learner.losses_and_gradients(w, inputs, targets)
    expected, expected_gradients = Learner.losses_and_gradients(learner, w, inputs, targets)
    assert torch.equal(losses, expected)
    assert torch.equal(gradients, expected_gradients)

    vectors = torch.randn(w.shape, generator=generator).to(dtype)
    expansion = learner.expand_losses(w, inputs, targets)
    assert torch.equal(expansion.losses, expected)
    assert torch.equal(expansion.gradients, expected_gradients)
    products = expansion.multiply(vectors)
    expected_products = Learner.expand_losses(learner, w, inputs, targets).multiply(vectors)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    difference = (products - expected_products).abs().max()
    assert difference <= tolerance * expected_products.abs().max()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_batched_mlp_equals_one_module_at_a_time(activation: str, hidden: tuple[int, ...]) -> None:
    learner = MLP((6, *hidden, 5), activation)
    n_learners = 3
    w = learner.start([make_generator(0, "w", i) for i in range(n_learners)], 0.5, torch.float64)
    inputs = torch.randn(n_learners, 7, 6, dtype=torch.float64)
    targets = torch.randint(5, (n_learners, 7))
    losses, gradients = learner.losses_and_gradients(w, inputs, targets)
    for i in range(n_learners):
        layers: list[torch.nn.Module] = []
        for n_in, n_out in zip((6, *hidden), (*hidden, 5), strict=True):
            layers += [torch.nn.Linear(n_in, n_out, dtype=torch.float64), _MODULES[activation]()]
        net = torch.nn.Sequential(*layers[:-1])
        offset = 0
        for linear in layers[::2]:
            assert isinstance(linear, torch.nn.Linear)
            n = linear.weight.numel()
            with torch.no_grad():
                linear.weight.copy_(w[i, offset : offset + n].view(linear.in_features, -1).T)
                linear.bias.copy_(w[i, offset + n : offset + n + linear.out_features])
            offset += n + linear.out_features
        loss = F.cross_entropy(net(inputs[i]), targets[i])
        loss.backward()
        expected = []
        for linear in layers[::2]:
            expected += [linear.weight.grad.T.flatten(), linear.bias.grad]  # type: ignore[union-attr]
        torch.testing.assert_close(losses[i], loss.detach())
        torch.testing.assert_close(gradients[i], torch.cat(expected))
    assert offset == learner.n_coordinates


def test_the_paper_basic_learner_has_15910_coordinates(dataset: Dataset) -> None:
    assert MLP((dataset.n_features, 20, dataset.n_classes), "sigmoid").n_coordinates == 15_910
