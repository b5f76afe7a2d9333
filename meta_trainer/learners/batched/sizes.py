"""What the shapes of a network follow from: its inputs, its outputs, its width and its depth."""

from __future__ import annotations

from torch import Tensor

from meta_trainer.learners.mlp import ACTIVATION_FUNCTIONS

ImageShape = tuple[int, int, int]
"""(channels, height, width)."""


class Sizes:
    """What a network's shapes follow from."""

    def __init__(
        self,
        image_shape: ImageShape,
        n_outputs: int,
        width: int,
        activation: str = "relu",
        depth: int = 1,
    ) -> None:
        self.image_shape = image_shape
        self.n_outputs = n_outputs
        self.width = width
        self.depth = depth
        self.activate = ACTIVATION_FUNCTIONS[activation]

    @property
    def row_length(self) -> int:
        """Numbers of one row of an image, all its channels."""
        return self.image_shape[0] * self.image_shape[2]

    @property
    def n_features(self) -> int:
        return self.image_shape[1] * self.row_length

    def read_image(self, inputs: Tensor) -> Tensor:
        """Shape (L, batch, channels, height, width)."""
        return inputs.view(*inputs.shape[:-1], *self.image_shape)

    def read_rows(self, inputs: Tensor) -> Tensor:
        """Rows as a sequence; shape (L, batch, height, row_length)."""
        return self.read_image(inputs).transpose(2, 3).flatten(3)
