"""What learners a meta-training trains its optimizer on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from meta_trainer.specs.base import Activation, Spec
from meta_trainer.specs.datasets import DatasetName


class TaskSpec(Spec):
    """The learner, its start and its data: an MLP classifier, as in Section 4 of the paper."""

    dataset: DatasetName = "mnist5k"
    """Images that learners classify."""
    activations: Annotated[tuple[Activation, ...], Field(min_length=1, max_length=16)] = (
        "sigmoid",
    )
    """Chunks of learners take these in turn."""
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(max_length=12)] = (
        20,
    )
    """Widths of the hidden layers."""
    batch_size: int = Field(default=128, ge=1, le=4096)
    """Examples in a minibatch."""
    init_std: float = Field(default=0.1, gt=0, le=10)
    """Weights and biases start as N(0, init_std²)."""
