"""Datasets: real files in the layouts that users have, and errors that say how to get them."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from meta_trainer.datasets import DatasetMissing, load

FULL_DATA = os.environ.get("HYPERADAM_TEST_DATA", "")
needs_full_data = pytest.mark.skipif(
    not FULL_DATA, reason="HYPERADAM_TEST_DATA names no folder with the full datasets"
)


def test_embedded_mnist5k() -> None:
    dataset = load("mnist5k")
    assert (len(dataset), dataset.image_shape, dataset.n_features) == (5000, (1, 28, 28), 784)
    assert dataset.labels.bincount().tolist() == [500] * 10
    assert dataset.fingerprint.startswith("8454b2593191")
    assert load("mnist5k") is dataset


def test_minibatch_is_scaled_pixels() -> None:
    dataset = load("mnist5k")
    indices = torch.tensor([[0, 4999], [7, 7]])
    inputs, labels = dataset.minibatch(indices)
    assert inputs.shape == (2, 2, 784)
    assert inputs.dtype == torch.float32
    assert torch.equal(labels, dataset.labels[indices])
    torch.testing.assert_close(inputs[1, 0], dataset.images[7].flatten() / 255)
    assert float(inputs.min()) == 0
    assert float(inputs.max()) == 1


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
@pytest.mark.parametrize("folder", [None, "empty"])
def test_a_missing_dataset_says_how_to_get_it(
    name: str, folder: str | None, tmp_path: Path
) -> None:
    with pytest.raises(DatasetMissing, match=rf"python -m meta_trainer\.datasets download {name}"):
        load(name, tmp_path if folder else None)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="dataset must be one of mnist5k"):
        load("../../etc/passwd")
    with pytest.raises(ValueError, match="no split 'test'"):
        load("mnist5k", split="test")
    with pytest.raises(ValueError, match="no split 'all'"):
        load("mnist", split="all")


def test_cifar10_binary_layout(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    records = rng.integers(0, 256, (10_000, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    (folder / "test_batch.bin").write_bytes(records.tobytes())
    for number in range(1, 6):  # 150 MB less to be written
        (folder / f"data_batch_{number}.bin").symlink_to("test_batch.bin")
    dataset = load("cifar10", tmp_path, "test")
    assert dataset.image_shape == (3, 32, 32)
    assert torch.equal(dataset.labels, torch.from_numpy(records[:, 0].astype(np.int64)))
    inputs, _ = dataset.minibatch(torch.tensor([3]))
    torch.testing.assert_close(inputs[0].numpy(), records[3, 1:].astype(np.float32) / 255 - 0.5)
    assert len(load("cifar10", tmp_path, "train")) == 50_000
    (folder / "test_batch.bin").write_bytes(b"short")
    load.cache_clear()
    with pytest.raises(ValueError, match="damaged"):
        load("cifar10", tmp_path, "test")


def test_tampered_pickles_are_never_opened(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DatasetMissing, match="undamaged"):
        load("cifar10", tmp_path)


def test_mnist_idx_layout(tmp_path: Path) -> None:
    """What torchvision writes; four images are enough to see that nothing is turned or shifted."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.arange(4 * 28 * 28, dtype=np.int64).astype(np.uint8).reshape(4, 28, 28)
    for split in ("train", "t10k"):
        (raw / f"{split}-images-idx3-ubyte").write_bytes(
            struct.pack(">IIII", 2051, 4, 28, 28) + pixels.tobytes()
        )
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 2049, 4) + bytes([3, 1, 4, 1])
        )
    dataset = load("mnist", tmp_path)
    assert dataset.labels.tolist() == [3, 1, 4, 1]
    assert np.array_equal(dataset.images[:, 0].numpy(), pixels)


@needs_full_data
@pytest.mark.parametrize(
    ("name", "split", "n", "shape", "mean"),
    [
        ("mnist", "train", 60_000, (1, 28, 28), 0.1307),
        ("mnist", "test", 10_000, (1, 28, 28), 0.1325),
        ("fashion_mnist", "train", 60_000, (1, 28, 28), 0.2860),
        ("fashion_mnist", "test", 10_000, (1, 28, 28), 0.2868),
        ("cifar10", "train", 50_000, (3, 32, 32), 0.4734),
        ("cifar10", "test", 10_000, (3, 32, 32), 0.4766),
    ],
)
def test_the_real_ones(
    name: str, split: str, n: int, shape: tuple[int, int, int], mean: float
) -> None:
    dataset = load(name, FULL_DATA, split)
    assert (len(dataset), dataset.image_shape) == (n, shape)
    assert dataset.labels.bincount().numel() == 10
    sum_of_pixels = int(dataset.images.sum(dtype=torch.int64))
    assert sum_of_pixels / dataset.images.numel() / 255 == pytest.approx(mean, abs=1e-4)


def test_gzip_alone_is_not_enough(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(DatasetMissing, match="MNIST/raw"):
        load("mnist", tmp_path)
