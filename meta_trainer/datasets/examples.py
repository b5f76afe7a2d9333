"""From the arrays of a file to a dataset: which arrays it must have, of which types and shapes.

| array | type | shape |
|---|---|---|
| `inputs` | uint8, drawn as `pixel / 255`; or float32, drawn as it is | (n, features), (n, height, width) or (n, channels, height, width) |
| `targets` | any integers 0 … classes − 1: labels | (n,) |
| | float32: numbers to predict | (n,) or (n, outputs) |
| `test_inputs`, `test_targets` | the same for the test split; both or neither | |

Bounds are below. Whatever is float32 must be finite.
"""  # noqa: E501

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

from meta_trainer.datasets.array_files import Arrays, DatasetProblem, read_arrays
from meta_trainer.datasets.base import Dataset
from meta_trainer.datasets.catalog import DatasetCard, Targets

MIN_EXAMPLES: Final = 2
MAX_EXAMPLES: Final = 10_000_000
MAX_FEATURES: Final = 65_536
"""Numbers in one example."""
MAX_CLASSES: Final = 1_000
MAX_OUTPUTS: Final = 64
"""Numbers to predict for one example."""

_Array = np.ndarray[Any, Any]
_SPLITS: Final = {"train": "", "test": "test_"}


def read_datasets(name: str, data: bytes, sha256: str) -> dict[str, Dataset]:
    """The splits of a registered dataset.

    Args:
        name: what specs call it.
        data: the file.
        sha256: of the file; the fingerprint of the data.

    Raises:
        DatasetProblem: the file is no dataset.
    """
    arrays = read_arrays(data)
    shape = _read_image_shape("inputs", arrays["inputs"])
    targets = _find_targets(arrays["targets"])
    n_outputs = _count_outputs(arrays["targets"], targets)
    splits = {}
    for split, prefix in _SPLITS.items():
        if f"{prefix}inputs" not in arrays:
            continue
        inputs = _read_inputs(f"{prefix}inputs", arrays, shape)
        answers = _read_targets(f"{prefix}targets", arrays, targets, n_outputs)
        if len(inputs) != len(answers):
            raise DatasetProblem(
                f"{prefix}inputs and {prefix}targets must be as many, "
                f"got {len(inputs)} and {len(answers)}"
            )
        splits[split] = Dataset(
            name, split, inputs, answers, n_outputs, targets=targets, digest=sha256
        )
    return splits


def describe_datasets(name: str, splits: dict[str, Dataset], sha256: str) -> DatasetCard:
    """What is known of the dataset without its file."""
    train = splits["train"]
    return DatasetCard(
        name=name,
        title="",
        image_shape=train.image_shape,
        n_classes=train.n_classes,
        n_examples={split: len(dataset) for split, dataset in splits.items()},
        targets=train.targets,
        sha256=sha256,
    )


def _read_image_shape(name: str, inputs: _Array) -> tuple[int, int, int]:
    """(channels, height, width); a vector is an image of one row."""
    if not MIN_EXAMPLES <= len(inputs) <= MAX_EXAMPLES:
        raise DatasetProblem(
            f"{name} must have {MIN_EXAMPLES} to {MAX_EXAMPLES:,} examples, got {len(inputs)}"
        )
    if inputs.ndim < 2:
        raise DatasetProblem(
            f"{name} must have the shape (n, features), (n, height, width) or "
            f"(n, channels, height, width), got {list(inputs.shape)}"
        )
    shape = (1, 1, 1, *inputs.shape[1:])[-3:]
    n_features = shape[0] * shape[1] * shape[2]
    if not 1 <= n_features <= MAX_FEATURES:
        raise DatasetProblem(
            f"{name} must have 1 to {MAX_FEATURES:,} numbers an example, got {n_features:,}"
        )
    return shape


def _read_inputs(name: str, arrays: Arrays, shape: tuple[int, int, int]) -> torch.Tensor:
    inputs = arrays[name]
    if inputs.dtype != arrays["inputs"].dtype:
        raise DatasetProblem(f"{name} must be of the type of inputs, got {inputs.dtype}")
    if _read_image_shape(name, inputs) != shape:
        raise DatasetProblem(f"{name} must have examples of the shape of inputs")
    if inputs.dtype == np.dtype("<f4"):
        _check_finite(name, inputs)
    elif inputs.dtype != np.uint8:
        raise DatasetProblem(f"{name} must be uint8 or float32, got {inputs.dtype}")
    return torch.from_numpy(np.array(inputs, order="C")).view(-1, *shape)


def _find_targets(targets: _Array) -> Targets:
    """Integers are labels, numbers are to be predicted."""
    if targets.dtype.kind in "iu":
        return "labels"
    if targets.dtype == np.dtype("<f4"):
        return "numbers"
    raise DatasetProblem(f"targets must be integers or float32, got {targets.dtype}")


def _count_outputs(targets: _Array, kind: Targets) -> int:
    """Classes, or numbers to predict for each example."""
    if kind == "labels":
        if targets.ndim != 1:
            raise DatasetProblem(f"targets must be (n,) where they are labels, got {targets.shape}")
        highest = int(targets.max(initial=0))
        if not 1 <= highest < MAX_CLASSES:
            raise DatasetProblem(
                f"targets must be labels of 2 to {MAX_CLASSES:,} classes, "
                f"the highest at least 1, got {highest} as the highest"
            )
        return highest + 1
    if targets.ndim > 2:
        raise DatasetProblem(f"targets must be (n,) or (n, outputs), got {targets.shape}")
    n_outputs = 1 if targets.ndim == 1 else targets.shape[1]
    if not 1 <= n_outputs <= MAX_OUTPUTS:
        raise DatasetProblem(f"targets must be 1 to {MAX_OUTPUTS} an example, got {n_outputs}")
    return n_outputs


def _read_targets(name: str, arrays: Arrays, kind: Targets, n_outputs: int) -> torch.Tensor:
    targets = arrays[name]
    if _find_targets(targets) != kind:
        raise DatasetProblem(f"{name} must be of the kind of targets, got {targets.dtype}")
    if kind == "numbers":
        if targets.size != len(targets) * n_outputs:
            raise DatasetProblem(f"{name} must be {n_outputs} an example, got {targets.shape}")
        _check_finite(name, targets)
        return torch.from_numpy(np.array(targets, order="C")).view(-1, n_outputs)

    if targets.ndim != 1:
        raise DatasetProblem(f"{name} must be (n,) where they are labels, got {targets.shape}")
    lowest = int(targets.min(initial=0))
    highest = int(targets.max(initial=0))
    if lowest < 0 or highest >= n_outputs:
        wrong = lowest if lowest < 0 else highest
        raise DatasetProblem(f"{name} must be labels from 0 to {n_outputs - 1}, got {wrong}")
    return torch.from_numpy(targets.astype(np.int64))


def _check_finite(name: str, numbers: _Array) -> None:
    if not np.isfinite(numbers).all():
        raise DatasetProblem(f"{name} must be finite numbers, but has NaN or infinite ones")
