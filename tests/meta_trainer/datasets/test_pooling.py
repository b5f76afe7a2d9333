"""Small images are means of squares of the large ones."""

from __future__ import annotations

import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.datasets.pooling import pool_images


def test_means_of_squares() -> None:
    images = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4) * 10
    assert pool_images(images, 2).tolist() == [[[[25, 45], [105, 125]]]]


def test_colours_and_edges_are_left_out() -> None:
    """Of 5 × 5 pixels, 4 × 4 count, of which the first row and column are the image's own."""
    images = torch.zeros(2, 3, 5, 5, dtype=torch.uint8)
    images[0, 0, 0, 0] = 120
    images[:, :, 4] = 200
    pooled = pool_images(images, 2)
    assert pooled.shape == (2, 1, 2, 2)
    assert pooled.flatten(1).tolist() == [[10, 0, 0, 0], [0, 0, 0, 0]]


def test_of_a_dataset_they_are_made_once() -> None:
    dataset = load("mnist5k")
    small = dataset.pooled(7)
    assert small is dataset.pooled(7)
    assert (small.name, small.image_shape, small.n_features) == ("mnist5k-7", (1, 7, 7), 49)
    assert torch.equal(small.labels, dataset.labels)
    assert small.fingerprint != dataset.fingerprint
    inputs, _ = small.minibatch(torch.tensor([3]))
    mean = dataset.images[3, 0, 8:12, 8:12].float().mean() / 255
    assert float(inputs[0, 2 * 7 + 2]) == pytest.approx(float(mean), abs=0.5 / 255)


def test_images_do_not_grow() -> None:
    with pytest.raises(ValueError, match="images of 4 pixels cannot be pooled to 7"):
        pool_images(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), 7)
