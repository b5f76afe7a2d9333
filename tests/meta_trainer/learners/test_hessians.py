"""H v of every kind of learner is the derivative of its gradient along v."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from meta_trainer.learners import CNN, LSTM, MLP, Learner, ModuleLearner, image_network
from meta_trainer.learners.base import LossExpansion, Shapes
from meta_trainer.specs import ACTIVATIONS
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.tasks.tricks import RandomScaling, WithConvex

N_LEARNERS, BATCH = 2, 6
IMAGE = (1, 8, 8)


def small_module() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.LayerNorm(5), nn.Linear(5, 1))


def dropping_module() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 1))


def with_mse(make: Any, **options: bool) -> ModuleLearner:
    return ModuleLearner(make, nn.functional.mse_loss, **options)


LEARNERS: dict[str, Learner] = {
    **{f"mlp-{name}": MLP((64, 5, 10), name) for name in ACTIVATIONS},
    "softmax-regression": MLP((64, 10), "tanh"),
    "cnn-1": CNN("cnn-1", IMAGE, 10),
    "cnn-2": CNN("cnn-2", IMAGE, 10),
    "batch-norm": CNN("cnn-1", IMAGE, 10, batch_norm=True),
    "dropout": CNN("cnn-1", IMAGE, 10, dropout=True),
    "lstm-1": LSTM(1, 3),
    "lstm-2": LSTM(2, 3),
    "module": with_mse(small_module),
    "module-one-by-one": with_mse(small_module, together=False),
    "random-module": with_mse(dropping_module, random=True),
    "residual": image_network("residual", IMAGE, 10),
    "gru": image_network("gru", IMAGE, 10),
    "vision-transformer": image_network("vision-transformer", IMAGE, 10),
}


class Minibatch:
    """One minibatch of every learner, and where the learners are."""

    def __init__(self, learner: Learner, dtype: torch.dtype = torch.float64) -> None:
        g = torch.Generator().manual_seed(1)
        generators = [torch.Generator().manual_seed(i) for i in range(N_LEARNERS)]
        self.learner = learner
        self.w = learner.start(
            generators, 1.0 if isinstance(learner, ModuleLearner) else 0.3, dtype
        )
        self.vectors = torch.randn(self.w.shape, generator=g, dtype=torch.float64).to(dtype)
        self.noise = learner.noise(generators, BATCH, dtype) if learner.is_random else None
        shape: tuple[int, ...] = (N_LEARNERS, BATCH, 64)
        targets = torch.randint(10, (N_LEARNERS, BATCH), generator=g)
        if isinstance(learner, LSTM):
            shape = (N_LEARNERS, BATCH, 10)
            targets = torch.rand(N_LEARNERS, BATCH, generator=g, dtype=torch.float64).to(dtype)
        elif isinstance(learner, ModuleLearner) and learner.n_coordinates < 100:
            shape = (N_LEARNERS, BATCH, 4)
            targets = torch.rand(N_LEARNERS, BATCH, 1, generator=g, dtype=torch.float64).to(dtype)
        inputs = torch.rand(shape, generator=g, dtype=torch.float64).to(dtype)
        self.examples = (inputs, targets)

    def gradients(self, w: Tensor) -> Tensor:
        return self.learner.losses_and_gradients(w, *self.examples, self.noise)[1]

    def products(self) -> Tensor:
        expansion = self.learner.expand_losses(self.w, *self.examples, self.noise)
        torch.testing.assert_close(expansion.gradients, self.gradients(self.w))
        return expansion.multiply(self.vectors)


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_is_the_derivative_of_the_gradient(learner: Learner) -> None:
    minibatch = Minibatch(learner)
    products = minibatch.products()
    way = 1e-6 * minibatch.vectors
    ahead, behind = minibatch.gradients(minibatch.w + way), minibatch.gradients(minibatch.w - way)
    assert not products.requires_grad
    assert products.abs().amax(1).min() > 1e-3
    torch.testing.assert_close(products, (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_float32_is_close_to_float64(learner: Learner) -> None:
    products = Minibatch(learner, torch.float32).products()
    expected = Minibatch(learner).products()
    assert products.dtype == torch.float32
    torch.testing.assert_close(
        products.double(), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
    )


def test_a_linear_loss_has_no_curvature() -> None:
    learner = ModuleLearner(lambda: nn.Linear(4, 1), lambda output, _: output.mean())
    examples = torch.ones(1, 3, 4), torch.ones(1, 3, 1)
    w = torch.ones(1, 5)
    assert torch.equal(learner.expand_losses(w, *examples).multiply(w), torch.zeros(1, 5))


class Quartic(Optimizee):
    """¼ Σ w⁴, whose Hessian is 3 w² on the diagonal."""

    shapes: Shapes | None = None

    def start(self) -> Tensor:
        return torch.linspace(-1, 2, 8, dtype=torch.float64).view(2, 4)

    def losses(self, w: Tensor, step: int) -> Tensor:
        return 0.25 * (w**4).sum(1)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.losses(w, step), w**3

    def expand_losses(self, w: Tensor, step: int) -> LossExpansion:
        return LossExpansion(self.losses(w, step), w**3, lambda vectors: 3 * w**2 * vectors)


def test_of_both_tricks() -> None:
    """Some convex coordinates lie where their square is clipped."""
    target = torch.tensor([[0.5, -9.0, 1.0], [7.0, 0.2, -0.4]], dtype=torch.float64)
    scale = torch.linspace(0.3, 2, 14, dtype=torch.float64).view(2, 7)
    optimizee = RandomScaling(WithConvex(Quartic(), target), scale)
    w, way = optimizee.start() + 0.1, torch.linspace(1, -2, 14, dtype=torch.float64).view(2, 7)
    ahead, behind = (optimizee.losses_and_gradients(w + step * way, 0)[1] for step in (1e-6, -1e-6))
    expansion = optimizee.expand_losses(w, 0)
    losses, gradients = optimizee.losses_and_gradients(w, 0)
    assert torch.equal(expansion.losses, losses)
    assert torch.equal(expansion.gradients, gradients)
    products = expansion.multiply(way)
    torch.testing.assert_close(products, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)
    assert products[0, 5] == products[1, 4] == 0


def test_an_optimizee_without_second_derivatives_says_so() -> None:
    class Plain(Quartic):
        expand_losses = Optimizee.expand_losses

    with pytest.raises(NotImplementedError, match="Plain has no second derivatives"):
        Plain().expand_losses(torch.ones(2, 4), 0)
