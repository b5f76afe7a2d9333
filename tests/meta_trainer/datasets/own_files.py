"""Files of datasets in tests: good ones, and those of strangers."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
from safetensors.numpy import save

Arrays = dict[str, "np.ndarray[Any, Any]"]


def make_arrays(n: int = 40, *, n_test: int = 0, seed: int = 0) -> Arrays:
    """Vectors of 6 numbers of three classes that a small network can tell apart."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n + n_test) % 3
    centers = generator.normal(size=(3, 6))
    inputs = (centers[labels] + 0.3 * generator.normal(size=(n + n_test, 6))).astype(np.float32)
    arrays = {"inputs": inputs[:n], "targets": labels[:n]}
    if n_test:
        arrays |= {"test_inputs": inputs[n:], "test_targets": labels[n:]}
    return arrays


def to_npz(arrays: Arrays, *, packed: bool = True) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def to_safetensors(arrays: Arrays) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def to_zip(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of any members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def to_npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()
