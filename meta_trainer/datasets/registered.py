"""Registered datasets: files that the registry keeps by their digest, and every machine that trains
on one fetches once.

A file is the only artifact of a run of its own. Whoever reads it compares its digest first, so that
neither a damaged store nor a damaged cache is ever trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hyperadam.names import check_digest

from meta_trainer.datasets.base import Dataset, DatasetMissing
from meta_trainer.datasets.examples import read_datasets
from meta_trainer.specs.datasets import split_dataset
from registry import ArtifactNotFound, Registry, RegistryError, RunNotFound
from registry.durable_files import write_whole

CACHE_FOLDER: Final = "registered"
"""Below the data folder."""
_FILE: Final = "dataset"


def load_registered(
    dataset: str, data_dir: Path | str | None, registry: Registry | None, split: str = "train"
) -> Dataset:
    """A registered dataset.

    Args:
        dataset: `NAME@SHA256`.
        data_dir: its folder `registered` keeps the file for the next job; None: nothing is kept.
        registry: that has the file; None: only what is kept is found.

    Raises:
        DatasetMissing: it was deleted, or never was.
        ValueError: the digest is not given, or there is no such split.
    """
    _, sha256 = split_dataset(dataset)
    if sha256 is None:
        raise ValueError(
            f"dataset {dataset!r} is none of the built-in ones, and a registered one is named with "
            "its digest: a service writes it there when a job is submitted"
        )
    data = _load_file(dataset, sha256, Path(data_dir) if data_dir else None, registry)
    splits = read_datasets(dataset, data, sha256)
    if split not in splits:
        raise ValueError(f"dataset {dataset!r} has no split {split!r}")
    return splits[split]


def keep_file(registry: Registry, sha256: str, read: Callable[[], bytes]) -> None:
    """Keep a dataset's file in the registry, unless it is there. Safe to repeat.

    Args:
        read: gives the file.
    """
    run_id = registry.open_run(make_key(sha256), name=f"dataset {sha256[:12]}")
    if registry.list_artifacts(run_id):
        return
    registry.put_artifact(run_id, _FILE, read())
    registry.close_run(run_id, "finished")


def drop_file(registry: Registry, sha256: str) -> None:
    """Remove a dataset's file from the registry; one that is not there is no error."""
    run_id = registry.find_run(make_key(sha256))
    if run_id is not None:
        registry.delete_run(run_id)


def make_key(sha256: str) -> str:
    """The key of the run that has the file."""
    return f"dataset-{check_digest(sha256)}"


def fetch_file(registry: Registry, dataset: str, sha256: str) -> bytes:
    """The file from the registry.

    Raises:
        DatasetMissing: it has none with this digest.
        RegistryError: the file is damaged.
    """
    run_id = registry.find_run(make_key(sha256))
    try:
        data = None if run_id is None else registry.get_artifact(run_id, _FILE)
    except (ArtifactNotFound, RunNotFound):
        data = None
    if data is None:
        raise DatasetMissing(describe_missing(dataset))
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RegistryError(f"the file of dataset {dataset!r} is damaged: it has another digest")
    return data


def describe_missing(dataset: str) -> str:
    """That a dataset is not registered, and how to register it."""
    name, _ = split_dataset(dataset)
    return (
        f"dataset {dataset!r} is not registered. Register it with: "
        f"hyperadam datasets register {name} FILE"
    )


def _load_file(
    dataset: str, sha256: str, data_dir: Path | None, registry: Registry | None
) -> bytes:
    """The file, from this machine or from the registry."""
    path = None if data_dir is None else data_dir / CACHE_FOLDER / check_digest(sha256)
    kept = _read_kept(path, sha256)
    if kept is not None:
        return kept
    if registry is None:
        raise DatasetMissing(describe_missing(dataset))
    data = fetch_file(registry, dataset, sha256)
    if path is not None:
        write_whole(path, data)
    return data


def _read_kept(path: Path | None, sha256: str) -> bytes | None:
    """What this machine keeps; None where it is not there, or damaged."""
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return data if hashlib.sha256(data).hexdigest() == sha256 else None
