"""Seeds, learners, tricks, schedule: the parts that the loop is made of."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hyperadam import HyperAdam
from hyperadam.rates import Rate
from hyperadam.theta import Theta
from torch.optim.lr_scheduler import LinearLR

from meta_trainer.datasets import Dataset, load
from meta_trainer.learners import CNN, LSTM, MLP, Learner, ModuleLearner
from meta_trainer.seeds import derive_seed, make_generator
from meta_trainer.specs import (
    ACTIVATIONS,
    CNNTaskSpec,
    MetaOptimizerSpec,
    MetaTrainingSpec,
    MLPTaskSpec,
    UnrollSpec,
)
from meta_trainer.tasks import SpecTaskSource, build_training_optimizee
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.tasks.tricks import RandomScaling, WithConvex
from meta_trainer.training.initial_theta import initial_theta
from meta_trainer.training.meta_optimizer import MetaOptimizer
from meta_trainer.training.objectives import weigh_steps
from meta_trainer.training.units import make_rule
from meta_trainer.unrolls.rollout import Learned, rollout


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


def test_seeds_are_named_not_ordered() -> None:
    assert derive_seed(1, "a", 2) == derive_seed(1, "a", 2)
    names = [
        (1, "a", (2,)),
        (2, "a", (2,)),
        (1, "b", (2,)),
        (1, "a", (3,)),
        (1, "a", (2, 0)),
        (1, "a", ()),
    ]
    assert len({derive_seed(seed, purpose, *indices) for seed, purpose, indices in names}) == len(
        names
    )
    assert (
        torch.rand(3, generator=make_generator(0, "x")).tolist()
        == torch.rand(3, generator=make_generator(0, "x")).tolist()
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_batched_mlp_equals_one_module_at_a_time(activation: str, hidden: tuple[int, ...]) -> None:
    learner, n_learners = MLP((6, *hidden, 5), activation), 3
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
        flat = torch.cat([torch.cat([m.weight.grad.T.flatten(), m.bias.grad]) for m in layers[::2]])  # type: ignore[union-attr]
        torch.testing.assert_close(losses[i], loss.detach())
        torch.testing.assert_close(gradients[i], flat)
    assert offset == learner.n_coordinates


_MODULES = {
    "sigmoid": torch.nn.Sigmoid,
    "relu": torch.nn.ReLU,
    "elu": torch.nn.ELU,
    "tanh": torch.nn.Tanh,
}


def test_the_paper_basic_learner_has_15910_coordinates(dataset: Dataset) -> None:
    assert MLP((dataset.n_features, 20, dataset.n_classes), "sigmoid").n_coordinates == 15_910


def test_tricks_have_the_gradients_they_claim(dataset: Dataset) -> None:
    spec = MetaTrainingSpec.model_validate({"task": {"hidden": [2], "batch_size": 3}})
    optimizee = build_training_optimizee(spec, dataset, 0, 1, torch.float64)
    assert isinstance(optimizee, RandomScaling)
    assert isinstance(optimizee.inner, WithConvex)
    w = optimizee.start() + 0.1
    _, gradients = optimizee.losses_and_gradients(w, 3)
    for column in (1, 500, w.shape[1] - 21, w.shape[1] - 1):
        bump = torch.zeros_like(w)
        bump[:, column] = 1e-6
        slope = (optimizee.losses(w + bump, 3) - optimizee.losses(w - bump, 3)) / 2e-6
        torch.testing.assert_close(slope, gradients[:, column], rtol=1e-5, atol=1e-8)


def test_scaling_starts_at_the_same_network_and_stays_in_range(dataset: Dataset) -> None:
    spec = MetaTrainingSpec(n_learners=2, chunk_size=2)
    scaled = build_training_optimizee(spec, dataset, 0, 0)
    assert isinstance(scaled, RandomScaling)
    torch.testing.assert_close(
        scaled.losses(scaled.start(), 0), scaled.inner.losses(scaled.inner.start(), 0)
    )
    learner, convex = scaled.scale[:, :-20].log(), scaled.scale[:, -20:].log()
    assert 2.9 < float(learner.abs().max()) <= 3
    assert 0.8 < float(convex.abs().max()) <= 1


def test_convex_part_is_clipped(dataset: Dataset) -> None:
    spec = MetaTrainingSpec.model_validate({"tricks": {"random_scaling": 0, "convex_scaling": 0}})
    optimizee = build_training_optimizee(spec, dataset, 0, 0)
    assert isinstance(optimizee, WithConvex)
    far = optimizee.start()
    far[:, -20:] = 100
    losses, gradients = optimizee.losses_and_gradients(far, 0)
    torch.testing.assert_close(losses, optimizee.inner.losses(far[:, :-20], 0) + 10)
    assert not gradients[:, -20:].any()


def test_the_convex_gradient_ends_where_the_convex_loss_is_clipped(dataset: Dataset) -> None:
    spec = MetaTrainingSpec.model_validate({"tricks": {"random_scaling": 0, "convex_scaling": 0}})
    optimizee = build_training_optimizee(spec, dataset, 0, 0, torch.float64)
    assert isinstance(optimizee, WithConvex)
    w = optimizee.start()
    for distance, slope in ((0.99, 2 * 0.99), (1.01, 0.0)):
        w[:, -20:] = optimizee.target + distance * 10**0.5
        _, gradients = optimizee.losses_and_gradients(w, 0)
        expected = torch.full_like(optimizee.target, slope * 10**0.5 / 20)
        torch.testing.assert_close(gradients[:, -20:], expected)


def test_plain_fraction_leaves_chunks_unscaled(dataset: Dataset) -> None:
    spec = MetaTrainingSpec.model_validate(
        {"tricks": {"plain_fraction": 0.5, "convex_dimension": 0}}
    )
    kinds = [
        isinstance(build_training_optimizee(spec, dataset, 0, chunk), RandomScaling)
        for chunk in range(spec.n_chunks)
    ]
    assert kinds == [False, False, True, True]
    kinds = [
        isinstance(build_training_optimizee(spec, dataset, 3, chunk), RandomScaling)
        for chunk in range(spec.n_chunks)
    ]
    assert kinds == [True, False, False, True]  # in turn, so that no task is always plain


def test_activations_take_turns(dataset: Dataset) -> None:
    spec = MetaTrainingSpec.model_validate(
        {"task": {"activations": ["relu", "tanh", "elu"]}, "tricks": OFF}
    )
    used = [
        optimizee.learner.activation
        for episode in range(3)
        for chunk in range(spec.n_chunks)
        if isinstance(
            optimizee := build_training_optimizee(spec, dataset, episode, chunk), Supervised
        )
        and isinstance(optimizee.learner, MLP)
    ]
    assert used == ["relu", "tanh", "elu"] * 4


OFF = {"random_scaling": 0, "convex_dimension": 0}


def test_batching_does_not_change_what_a_learner_sees(dataset: Dataset) -> None:
    spec = MetaTrainingSpec()
    source, task = SpecTaskSource({dataset.name: dataset}), MLPTaskSpec(activation="relu")
    together, apart = (
        source.build_validation_of(spec, task, learners) for learners in (range(4), range(2, 3))
    )
    assert torch.equal(together.start()[2:3], apart.start())
    w = together.start()
    torch.testing.assert_close(together.losses(w, 9)[2:3], apart.losses(w[2:3], 9))


def test_final_loss_is_the_mean_over_the_minibatches_of_the_run(dataset: Dataset) -> None:
    spec = MetaTrainingSpec()
    optimizee = SpecTaskSource({dataset.name: dataset}).build_validation(spec, 0, range(2))
    optimizer = Learned(make_rule(spec.rule), initial_theta(spec), Rate(lr=0.005))
    result = rollout(optimizer, optimizee, 5)
    expected = (
        torch.stack([optimizee.losses(result.parameters, step) for step in range(5)])
        .double()
        .mean(0)
    )
    torch.testing.assert_close(result.final_losses, expected)
    assert result.curves.shape == (5, 2)
    torch.testing.assert_close(result.curves[0], optimizee.losses(optimizee.start(), 0).double())


@pytest.mark.parametrize("warmup_steps", [0, 1, 4])
def test_a_warm_up_is_that_of_torchs_own_scheduler_on_the_deployed_optimizer(
    dataset: Dataset, warmup_steps: int
) -> None:
    spec = MetaTrainingSpec()
    rule, vector = make_rule(spec.rule), initial_theta(spec)
    optimizee = SpecTaskSource({dataset.name: dataset}).build_validation(spec, 0, range(1))
    rate = Rate(lr=0.005, warmup_steps=warmup_steps)
    result = rollout(Learned(rule, vector, rate), optimizee, 7)
    own, scheduled = (torch.nn.Parameter(optimizee.start()[0].clone()) for _ in range(2))
    with_own = HyperAdam([own], Theta.from_vector(rule, vector, rate=rate))
    with_scheduler = HyperAdam([scheduled], Theta.from_vector(rule, vector, rate=Rate(lr=0.005)))
    scheduler = LinearLR(
        with_scheduler, 1 / max(1, warmup_steps), total_iters=max(1, warmup_steps) - 1
    )
    for step in range(7):
        for w in (own, scheduled):
            w.grad = optimizee.losses_and_gradients(w.detach()[None], step)[1][0]
        with_own.step()
        with_scheduler.step()
        scheduler.step()
    torch.testing.assert_close(own.detach(), result.parameters[0])
    torch.testing.assert_close(scheduled.detach(), result.parameters[0])


def test_a_rollout_has_the_schedule_of_the_deployed_optimizer(dataset: Dataset) -> None:
    """Over warm-up and decay, on kernels, matrices of many inputs and biases, each a parameter of
    its own shape."""
    spec, rate = (
        MetaTrainingSpec(),
        Rate(
            lr=0.005,
            warmup_steps=3,
            decay_after=4,
            base_fan_in=100,
            least_fan_in=2,
            base_places=3,
            weight_decay=2.0,
        ),
    )
    rule, vector = make_rule(spec.rule), initial_theta(spec)
    optimizee = SpecTaskSource({dataset.name: dataset}).build_validation_of(
        spec, CNNTaskSpec(dataset="mnist5k", batch_size=8), range(1)
    )
    result = rollout(Learned(rule, vector, rate), optimizee, 7)
    start, shapes = (
        optimizee.start()[0],
        [(16, 1, 3, 3), (16,), (16, 16, 3, 3), (16,), (10, 16 * 14 * 14), (10,)],
    )
    parts = start.split([torch.Size(shape).numel() for shape in shapes])
    parameters = [
        torch.nn.Parameter(part.view(shape).clone())
        for part, shape in zip(parts, shapes, strict=True)
    ]
    optimizer = HyperAdam(parameters, Theta.from_vector(rule, vector, rate=rate))
    for step in range(7):
        w = torch.cat([parameter.detach().flatten() for parameter in parameters])
        gradient = optimizee.losses_and_gradients(w[None], step)[1][0].split(
            [p.numel() for p in parameters]
        )
        for parameter, own in zip(parameters, gradient, strict=True):
            parameter.grad = own.view_as(parameter)
        optimizer.step()
    moved = torch.cat([parameter.detach().flatten() for parameter in parameters])
    torch.testing.assert_close(moved, result.parameters[0], rtol=1e-4, atol=1e-6)
    constant = rollout(Learned(rule, vector, Rate(lr=0.005)), optimizee, 7).parameters[0]
    assert (moved - start).norm() < 0.9 * (constant - start).norm()


def test_schedule_warms_up_and_falls() -> None:
    spec = MetaOptimizerSpec(rate=1e-2, warmup_updates=4, final_fraction=0.1)
    meta = MetaOptimizer(spec, torch.zeros(2), 24)
    rates = [meta.rate(update) for update in range(24)]
    assert rates[:4] == pytest.approx([2.5e-3, 5e-3, 7.5e-3, 1e-2])
    assert rates[4] == pytest.approx(1e-2)
    assert all(a > b for a, b in pairwise(rates[4:]))
    assert rates[-1] == pytest.approx(1e-3)
    constant = MetaOptimizer(
        MetaOptimizerSpec(schedule="constant", warmup_updates=0), torch.zeros(2), 5
    )
    assert {constant.rate(update) for update in range(5)} == {1e-3}


def test_meta_optimizer_is_clipped_adam() -> None:
    spec = MetaOptimizerSpec(rate=0.1, schedule="constant", warmup_updates=0, clip_norm=0.5)
    start = torch.tensor([1.0, -2.0, 3.0])
    meta = MetaOptimizer(spec, start, 10)
    parameter = torch.nn.Parameter(start.clone())
    adam = torch.optim.Adam([parameter], lr=0.1)
    for gradient in (torch.tensor([3.0, 4.0, 0.0]), torch.tensor([0.1, 0.0, 0.2])):
        done = meta.step(gradient)
        norm = float(gradient.norm())
        assert done.gradient_norm == pytest.approx(norm)
        parameter.grad = gradient * min(1, 0.5 / norm)
        adam.step()
    torch.testing.assert_close(meta.theta, parameter.detach())


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    meta = MetaOptimizer(MetaOptimizerSpec(), torch.ones(2), 10)
    done = meta.step(torch.tensor([math.nan, 1.0]))
    assert done.skipped
    assert meta.theta.tolist() == [1, 1]
    assert not meta.step(torch.tensor([1.0, 1.0])).skipped
    assert meta.theta.isfinite().all()
    assert meta.update_count == 2


def test_averaging_keeps_a_running_mean_through_a_checkpoint() -> None:
    spec = MetaOptimizerSpec(rate=0.1, schedule="constant", warmup_updates=0, averaging=0.75)
    meta = MetaOptimizer(spec, torch.zeros(2), 10)
    expected = torch.zeros(2)
    for _ in range(3):
        meta.step(torch.tensor([1.0, -1.0]))
        expected = 0.75 * expected + 0.25 * meta.theta
        torch.testing.assert_close(meta.mean, expected)
    again = MetaOptimizer(spec, torch.zeros(2), 10)
    again.load(meta.state(), meta.update_count)
    for optimizer in (meta, again):
        optimizer.step(torch.tensor([0.5, 0.5]))
    assert torch.equal(meta.mean, again.mean)
    assert torch.equal(meta.theta, again.theta)
    plain = MetaOptimizer(MetaOptimizerSpec(), torch.zeros(2), 10)
    plain.step(torch.ones(2))
    assert torch.equal(plain.mean, plain.theta)


def test_late_steps_count_more_and_the_mean_weight_stays_one() -> None:
    for late_weight in (0.0, 1.0, 3.0):
        unroll = UnrollSpec(horizon=1000, period=100, late_weight=late_weight)
        weights = torch.cat([weigh_steps(unroll, first) for first in range(0, 1000, 100)])
        assert float(weights.mean()) == pytest.approx(1, abs=2e-3 * (late_weight + 1))
        assert float(weights[-1]) == pytest.approx(late_weight + 1)
        assert bool((weights.diff() >= 0).all())
