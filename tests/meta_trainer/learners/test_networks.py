"""The networks of the suite `unseen`: what they see and what they cannot."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from meta_trainer.datasets.language import N_SYMBOLS
from meta_trainer.learners import image_network, language_model
from meta_trainer.learners.module import ModuleLearner
from meta_trainer.learners.networks import LanguageModel
from meta_trainer.seeds import make_generator
from meta_trainer.specs.unseen_tasks import ImageNetwork

GRAY = (1, 28, 28)
COLOURED = (3, 32, 32)
IMAGE_NETWORKS = get_args(ImageNetwork)


def minibatch(
    shape: tuple[int, int, int], n_learners: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    g = make_generator(0, "networks")
    n_features = shape[0] * shape[1] * shape[2]
    return torch.rand(n_learners, 6, n_features, generator=g), torch.randint(
        10, (n_learners, 6), generator=g
    )


def start(learner: ModuleLearner, n_learners: int = 2) -> torch.Tensor:
    return learner.start(
        [make_generator(0, "start", i) for i in range(n_learners)], 1.0, torch.float32
    )


@pytest.mark.parametrize("shape", [GRAY, COLOURED])
@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_every_part_of_an_image_network_is_trained_and_counts(
    name: ImageNetwork, shape: tuple[int, int, int]
) -> None:
    learner = image_network(name, shape, 10)
    w = start(learner)
    images, labels = minibatch(shape)
    losses, gradients = learner.losses_and_gradients(w, images, labels)
    torch.testing.assert_close(losses[1:], learner.losses(w[1:], images[1:], labels[1:]))
    for one in learner.state_dict(gradients[0]).values():
        assert one.abs().max() > 0
    direction = gradients / gradients.norm(dim=1, keepdim=True)
    ahead, behind = (learner.losses(w + step * direction, images, labels) for step in (1e-2, -1e-2))
    torch.testing.assert_close((ahead - behind) / 2e-2, gradients.norm(dim=1), rtol=0.05, atol=0)


def test_an_autoencoder_that_gives_nothing_back_misses_the_whole_image() -> None:
    learner = image_network("autoencoder", GRAY, 10)
    images, labels = minibatch(GRAY, 1)
    loss = learner.losses(torch.zeros(1, learner.n_coordinates), images, labels)
    torch.testing.assert_close(loss, images.square().mean((1, 2)))


@pytest.mark.parametrize("name", [name for name in IMAGE_NETWORKS if name != "autoencoder"])
def test_classifiers_that_know_nothing_are_at_log_10(name: ImageNetwork) -> None:
    learner = image_network(name, GRAY, 10)
    loss = learner.losses(torch.zeros(1, learner.n_coordinates), *minibatch(GRAY, 1))
    torch.testing.assert_close(loss, torch.tensor([10.0]).log())


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_every_corner_of_an_image_is_seen(name: ImageNetwork) -> None:
    learner = image_network(name, COLOURED, 10)
    w = start(learner, 1)
    images, labels = minibatch(COLOURED, 1)
    pixels = images.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(learner.losses(w, pixels, labels).sum(), pixels)
    seen = slopes[0].abs().sum(0).view(COLOURED) > 0
    assert seen[:, ::31, ::31].all()


def test_a_language_model_does_not_see_what_is_to_come() -> None:
    model = LanguageModel()
    symbols = torch.randint(N_SYMBOLS, (3, 32), generator=make_generator(0, "symbols"))
    other = symbols.clone()
    other[:, 20] = (other[:, 20] + 1) % N_SYMBOLS
    with torch.no_grad():
        before = model(symbols)
        after = model(other)
    torch.testing.assert_close(before[:, :20], after[:, :20])
    assert (before[:, 20:] - after[:, 20:]).abs().amax(
        (0, 2)
    ).min() > 1e-4  # and sees all that has been


def test_sizes() -> None:
    sizes = {name: image_network(name, GRAY, 10).n_coordinates for name in IMAGE_NETWORKS}
    assert sizes == {
        "autoencoder": 103_328,
        "residual": 38_202,
        "gru": 6_282,
        "vision-transformer": 19_594,
    }
    assert language_model().n_coordinates == 20_256
