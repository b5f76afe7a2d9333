"""A user's own module as a learner."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.datasets import TensorData
from meta_trainer.learners import ModuleLearner
from meta_trainer.seeds import make_generator
from meta_trainer.tasks.optimizees import Supervised


def make() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 2))


def make_random() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 50), nn.Dropout(0.5), nn.Linear(50, 2))


def data() -> TensorData:
    g = make_generator(0, "data")
    return TensorData("mine", torch.randn(40, 3, generator=g), torch.randn(40, 2, generator=g))


def optimizee(
    learner: ModuleLearner, *indices: int, dtype: torch.dtype = torch.float64
) -> Supervised:
    return Supervised(learner, data(), 0, "test", [(i,) for i in indices], 6, 1.0, dtype)


def test_equals_one_module_at_a_time() -> None:
    learner = ModuleLearner(make, F.mse_loss)
    problem = optimizee(learner, 0, 1, 2)
    w = problem.start()
    losses, gradients = problem.losses_and_gradients(w, 4)
    inputs, targets = problem.draw_minibatch(4)
    for i in range(3):
        module = make().double()
        module.load_state_dict(learner.state_dict(w[i]))
        loss = F.mse_loss(module(inputs[i]), targets[i])
        expected = torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, list(module.parameters()))]
        )
        torch.testing.assert_close(losses[i], loss.detach())
        torch.testing.assert_close(gradients[i], expected)


def test_one_by_one_is_the_same_as_together() -> None:
    one_by_one = optimizee(ModuleLearner(make, F.mse_loss, together=False), 0, 1, 2)
    w = one_by_one.start()
    torch.testing.assert_close(
        one_by_one.losses_and_gradients(w, 4),
        optimizee(ModuleLearner(make, F.mse_loss), 0, 1, 2).losses_and_gradients(w, 4),
    )


def test_starts_as_the_module_does_and_leaves_torchs_seed_alone() -> None:
    problem = optimizee(ModuleLearner(make, F.mse_loss), 0, 1, dtype=torch.float32)
    before = torch.get_rng_state()
    w = problem.start()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(w, problem.start())
    assert not torch.equal(w[0], w[1])
    learner = ModuleLearner(make, F.mse_loss)
    parameters = learner.state_dict(w[0])
    assert parameters["1.weight"].tolist() == [1] * 5  # LayerNorm's own
    assert float(parameters["0.weight"].abs().max()) <= 3**-0.5


def test_random_modules_are_paired_and_repeatable() -> None:
    learner = ModuleLearner(make_random, F.mse_loss, random=True)
    together = optimizee(learner, 0, 1, 2)
    apart = optimizee(learner, 2)
    w = together.start()
    first = together.losses(w, 3)
    assert torch.equal(first, together.losses_and_gradients(w, 3)[0])
    torch.testing.assert_close(first[2:], apart.losses(w[2:], 3))
    same_data = learner.losses(w, *together.draw_minibatch(3)[:2], together.draw_minibatch(4)[2])
    assert not torch.allclose(first, same_data)


def test_what_cannot_be_a_learner_is_refused() -> None:
    with pytest.raises(ValueError, match="'1' keeps running statistics"):
        ModuleLearner(lambda: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)), F.mse_loss)
    with pytest.raises(ValueError, match="'1' draws random numbers: pass random=True"):
        ModuleLearner(make_random, F.mse_loss)
    ModuleLearner(lambda: make_random().eval(), F.mse_loss)
    ModuleLearner(lambda: nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.0)), F.mse_loss)
    ModuleLearner(lambda: nn.BatchNorm1d(5, track_running_stats=False), F.mse_loss)
    with pytest.raises(ValueError, match="as many"):
        TensorData("bad", torch.zeros(3, 1), torch.zeros(2, 1))


def test_labels_stay_whole_numbers() -> None:
    source = TensorData("labels", torch.randn(9, 3), torch.arange(9))
    inputs, targets = source.draw(
        [make_generator(0, "a"), make_generator(0, "b")], 4, torch.float64
    )
    assert (inputs.shape, inputs.dtype) == ((2, 4, 3), torch.float64)
    assert (targets.shape, targets.dtype) == ((2, 4), torch.int64)
    torch.testing.assert_close(inputs, source.inputs.double()[targets])
    assert (
        source.fingerprint != TensorData("labels", source.inputs, targets.new_zeros(9)).fingerprint
    )


class Frozen(nn.Module):
    """A constant buffer is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * self.scale


def test_buffers_are_constants() -> None:
    learner = ModuleLearner(Frozen, F.mse_loss)
    assert learner.n_coordinates == 8
    assert set(learner.state_dict(torch.zeros(8))) == {"linear.weight", "linear.bias"}
