"""Tasks that only evaluations have. No job can be trained, validated or tuned on them: so what an
optimizer does there says what it will do elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meta_trainer.specs.base import Spec
from meta_trainer.specs.datasets import DatasetName
from meta_trainer.specs.field_tasks import FieldImageTaskSpec, FieldTaskSpec
from meta_trainer.specs.plain_tasks import BatchSize, InitStd, PlainTaskSpec

ImageNetwork = Literal["autoencoder", "residual", "gru", "vision-transformer"]


class ImageNetworkTaskSpec(Spec):
    """A network of today on images: it classifies them, or gives them back
    (`meta_trainer.learners.networks`)."""

    kind: Literal["image-network"] = "image-network"
    network: ImageNetwork
    dataset: DatasetName = "mnist5k"
    batch_size: BatchSize = 64
    init_std: InitStd = 1.0
    """Times the start that torch gives each of its modules."""


class LanguageTaskSpec(Spec):
    """A causal transformer that predicts the next symbol of a made-up language
    (`meta_trainer.datasets.language`)."""

    kind: Literal["language"] = "language"
    batch_size: BatchSize = 32
    init_std: InitStd = 1.0


AnyTaskSpec = Annotated[
    PlainTaskSpec | ImageNetworkTaskSpec | LanguageTaskSpec | FieldTaskSpec | FieldImageTaskSpec,
    Field(discriminator="kind"),
]
