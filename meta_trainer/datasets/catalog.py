"""The datasets by name: what is in each, and whether it is there, without reading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

Targets = Literal["labels", "numbers"]
"""Classes to tell apart, or numbers to predict."""


class Form(NamedTuple):
    """What examples look like: all that the shapes of a learner follow from."""

    image_shape: tuple[int, int, int]
    """(channels, height, width); a vector is an image of one row."""
    n_outputs: int
    """Classes, or numbers to predict."""
    targets: Targets = "labels"

    @property
    def is_vector(self) -> bool:
        """Whether an example has no places that lie beside each other."""
        return self.image_shape[:2] == (1, 1)


@dataclass(frozen=True, kw_only=True)
class DatasetCard:
    """What is known of a dataset before it is read."""

    name: str
    title: str
    image_shape: tuple[int, int, int]
    """(channels, height, width)."""
    n_classes: int
    n_examples: Mapping[str, int]
    """By split."""
    files: tuple[tuple[str, ...], ...] = ()
    """Below the data folder; any one of these sets will do. None: it comes with the package."""
    targets: Targets = "labels"
    """Of numbers, `n_classes` says how many there are of each example."""
    sha256: str = ""
    """Of the file of a registered dataset."""

    @property
    def form(self) -> Form:
        return Form(self.image_shape, self.n_classes, self.targets)

    def find_missing(self, data_dir: Path | None) -> str | None:
        """The first file that is not in the data folder; None: all are there."""
        if not self.files:
            return None
        if data_dir is None:
            return self.files[0][0]
        missing = [_find_first_missing(data_dir, files) for files in self.files]
        return None if None in missing else missing[0]

    def describe_missing(self, data_dir: Path | None) -> str | None:
        """What is missing and how to get it; None: it is there."""
        path = self.find_missing(data_dir)
        if path is None:
            return None
        return describe_missing(self.name, data_dir, path)


def describe_missing(name: str, data_dir: Path | None, path: str) -> str:
    """That a dataset is not there, and how to get it."""
    problem = "no data folder is set (HYPERADAM_DATA_DIR)"
    if data_dir:
        problem = f"{data_dir} has no {path}"
    return (
        f"dataset {name!r} is missing: {problem}. Get it with: "
        f"python -m meta_trainer.datasets download {name} --data-dir {data_dir or 'DIR'}"
    )


def _find_first_missing(data_dir: Path, files: tuple[str, ...]) -> str | None:
    return next((file for file in files if not (data_dir / file).is_file()), None)


def _list_mnist_files(class_name: str) -> tuple[str, ...]:
    names = (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )
    return tuple(f"{class_name}/raw/{name}" for name in names)


_CIFAR_PARTS: Final = (1, 2, 3, 4, 5)
_CIFAR_BINARY: Final = tuple(
    f"cifar-10-batches-bin/{name}"
    for name in (*(f"data_batch_{part}.bin" for part in _CIFAR_PARTS), "test_batch.bin")
)
_CIFAR_PYTHON: Final = tuple(
    f"cifar-10-batches-py/{name}"
    for name in (*(f"data_batch_{part}" for part in _CIFAR_PARTS), "test_batch", "batches.meta")
)

CARDS: Final[Mapping[str, DatasetCard]] = {
    card.name: card
    for card in (
        DatasetCard(
            name="mnist5k",
            title="500 real MNIST images of each digit; comes with the package",
            image_shape=(1, 28, 28),
            n_classes=10,
            n_examples={"train": 5_000},
        ),
        DatasetCard(
            name="mnist",
            title="Handwritten digits",
            image_shape=(1, 28, 28),
            n_classes=10,
            n_examples={"train": 60_000, "test": 10_000},
            files=(_list_mnist_files("MNIST"),),
        ),
        DatasetCard(
            name="fashion_mnist",
            title="Pieces of clothing",
            image_shape=(1, 28, 28),
            n_classes=10,
            n_examples={"train": 60_000, "test": 10_000},
            files=(_list_mnist_files("FashionMNIST"),),
        ),
        DatasetCard(
            name="cifar10",
            title="Small photographs of ten kinds of things",
            image_shape=(3, 32, 32),
            n_classes=10,
            n_examples={"train": 50_000, "test": 10_000},
            files=(_CIFAR_BINARY, _CIFAR_PYTHON),
        ),
    )
}
"""By the names that specs call them."""
FORMS: Final[Mapping[str, Form]] = {name: card.form for name, card in CARDS.items()}
"""Of the built-in datasets."""
