"""The networks of the suite `field` by name: what makes each, its loss and its data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.datasets import Characters, Data, Language, MaskedCharacters, TableRows
from meta_trainer.datasets.characters import N_CHARACTERS
from meta_trainer.datasets.language import N_SYMBOLS
from meta_trainer.datasets.points import CollocationPoints
from meta_trainer.datasets.ratings import Ratings
from meta_trainer.datasets.tables import N_CLASSES, N_FEATURES
from meta_trainer.datasets.views import PairedViews
from meta_trainer.learners.field.autoencoders import VAE, Autoencoder
from meta_trainer.learners.field.burgers import BurgersNetwork
from meta_trainer.learners.field.contrastive import ContrastivePair, info_nce
from meta_trainer.learners.field.experts import Experts
from meta_trainer.learners.field.lora import TEXT_AFTER, make_adapted_model
from meta_trainer.learners.field.perceptrons import make_image_mlp, make_kaiming_mlp, make_mlp
from meta_trainer.learners.field.recommender import Recommender
from meta_trainer.learners.field.recurrent import RecurrentLanguageModel
from meta_trainer.learners.field.residual import ResNet, make_batch_norm, make_group_norm
from meta_trainer.learners.field.transformers import GPT2, MaskedLanguageModel, VisionTransformer
from meta_trainer.learners.module import Loss, ModuleLearner
from meta_trainer.specs.field_tasks import FieldImageNetwork, FieldNetwork

ImageModule = Callable[[tuple[int, int, int], int], nn.Module]
"""From (shape of an image, number of classes) to the module."""


class FieldNetworkOnData(NamedTuple):
    """A network with its loss, and the data that is made up for it."""

    make: Callable[[], nn.Module]
    loss: Loss
    data: Data


class FieldNetworkOnImages(NamedTuple):
    """A network with its loss, for any images."""

    make: ImageModule
    loss: Loss
    random: bool = False
    """Whether it draws random numbers when it is called."""


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over all targets, of shape (·) for logits (·, classes)."""
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten())


def _mean(losses: Tensor, _: Tensor) -> Tensor:
    """Of a module that gives its losses itself."""
    return losses.mean()


def _sum_of_mean_squares(residuals: Tensor, targets: Tensor) -> Tensor:
    """Over the conditions of an equation, shape (conditions, batch)."""
    return (residuals - targets).square().mean(-1).sum()


_CLASSES: Final = TableRows(target="class")
_NUMBERS: Final = TableRows(target="number")
_NEAR_50: Final = TableRows(target="number", mean=50.0, std=5.0)

FIELD_NETWORKS: Final[dict[FieldNetwork, FieldNetworkOnData]] = {
    "mlp-16": FieldNetworkOnData(
        partial(make_mlp, (N_FEATURES, 16, 16, 1), nn.Tanh), F.mse_loss, _NUMBERS
    ),
    "mlp-1024": FieldNetworkOnData(
        partial(make_mlp, (N_FEATURES, 1024, N_CLASSES), nn.ReLU), _cross_entropy, _CLASSES
    ),
    "mlp-2048": FieldNetworkOnData(
        partial(make_kaiming_mlp, (N_FEATURES, 2048, 1)), F.mse_loss, _NUMBERS
    ),
    "targets-near-50": FieldNetworkOnData(
        partial(make_mlp, (N_FEATURES, 64, 64, 1), nn.ReLU), F.mse_loss, _NEAR_50
    ),
    "experts": FieldNetworkOnData(Experts, _cross_entropy, _CLASSES),
    "gpt-2": FieldNetworkOnData(GPT2, _cross_entropy, Characters()),
    "masked-language-model": FieldNetworkOnData(
        MaskedLanguageModel, _cross_entropy, MaskedCharacters()
    ),
    "lora": FieldNetworkOnData(make_adapted_model, _cross_entropy, TEXT_AFTER),
    "lstm": FieldNetworkOnData(
        partial(RecurrentLanguageModel, nn.LSTM, N_CHARACTERS), _cross_entropy, Characters()
    ),
    "gru": FieldNetworkOnData(
        partial(RecurrentLanguageModel, nn.GRU, N_SYMBOLS), _cross_entropy, Language()
    ),
    "contrastive-pair": FieldNetworkOnData(ContrastivePair, info_nce, PairedViews()),
    "rare-embeddings": FieldNetworkOnData(Recommender, F.mse_loss, Ratings()),
    "burgers-pinn": FieldNetworkOnData(BurgersNetwork, _sum_of_mean_squares, CollocationPoints()),
}

FIELD_IMAGE_NETWORKS: Final[dict[FieldImageNetwork, FieldNetworkOnImages]] = {
    "mlp-7": FieldNetworkOnImages(partial(make_image_mlp, (64,) * 7, nn.ReLU), _cross_entropy),
    "mlp-10": FieldNetworkOnImages(partial(make_image_mlp, (32,) * 10, nn.GELU), _cross_entropy),
    "resnet-batch-norm": FieldNetworkOnImages(
        partial(ResNet, make_batch_norm, False), _cross_entropy
    ),
    "resnet-group-norm": FieldNetworkOnImages(
        partial(ResNet, make_group_norm, True), _cross_entropy
    ),
    "vision-transformer": FieldNetworkOnImages(VisionTransformer, _cross_entropy),
    "autoencoder": FieldNetworkOnImages(Autoencoder, _mean),
    "vae": FieldNetworkOnImages(VAE, _mean, random=True),
}


def field_network(name: FieldNetwork) -> ModuleLearner:
    """One of `FIELD_NETWORKS`."""
    network = FIELD_NETWORKS[name]
    return ModuleLearner(network.make, network.loss, together=False)


def field_image_network(
    name: FieldImageNetwork, image_shape: tuple[int, int, int], n_classes: int
) -> ModuleLearner:
    """One of `FIELD_IMAGE_NETWORKS`."""
    network = FIELD_IMAGE_NETWORKS[name]
    make = partial(network.make, image_shape, n_classes)
    return ModuleLearner(make, network.loss, random=network.random, together=False)


def find_field_data(name: FieldNetwork) -> Data:
    """What a network that is not on images draws its minibatches from."""
    return FIELD_NETWORKS[name].data
