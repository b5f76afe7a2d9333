"""Tasks of the suite `field`: networks as people write them. Only evaluations have them: no job can
be trained, validated or tuned on them."""

from __future__ import annotations

from typing import Literal

from meta_trainer.specs.base import Spec
from meta_trainer.specs.datasets import DatasetName
from meta_trainer.specs.plain_tasks import BatchSize, InitStd

FieldNetwork = Literal[
    "mlp-16",
    "mlp-1024",
    "mlp-2048",
    "targets-near-50",
    "experts",
    "gpt-2",
    "masked-language-model",
    "lora",
    "lstm",
    "gru",
    "contrastive-pair",
    "rare-embeddings",
    "burgers-pinn",
]
FieldImageNetwork = Literal[
    "mlp-7",
    "mlp-10",
    "resnet-batch-norm",
    "resnet-group-norm",
    "vision-transformer",
    "autoencoder",
    "vae",
]


class FieldTaskSpec(Spec):
    """A network on data that is made up for it (`meta_trainer.learners.field`)."""

    kind: Literal["field"] = "field"
    network: FieldNetwork
    batch_size: BatchSize = 64
    init_std: InitStd = 1.0
    """Times the start that the network gives itself."""


class FieldImageTaskSpec(Spec):
    """A network on images: it classifies them, or gives them back."""

    kind: Literal["field-image"] = "field-image"
    network: FieldImageNetwork
    dataset: DatasetName = "mnist5k"
    batch_size: BatchSize = 64
    init_std: InitStd = 1.0
