"""Random scaling and the convex part, as a meta-training's chunks have them."""

from __future__ import annotations

import pytest
import torch

from meta_trainer.datasets import Dataset, load
from meta_trainer.specs import (
    MetaTrainingSpec,
)
from meta_trainer.tasks import build_training_optimizee
from meta_trainer.tasks.tricks import RandomScaling, WithConvex


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("mnist5k")


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
    learner = scaled.scale[:, :-20].log()
    convex = scaled.scale[:, -20:].log()
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

    def are_scaled(episode: int) -> list[bool]:
        chunks = range(spec.n_chunks)
        optimizees = [build_training_optimizee(spec, dataset, episode, chunk) for chunk in chunks]
        return [isinstance(optimizee, RandomScaling) for optimizee in optimizees]

    assert are_scaled(episode=0) == [False, False, True, True]
    assert are_scaled(episode=3) == [True, False, False, True]  # each chunk in its turn
