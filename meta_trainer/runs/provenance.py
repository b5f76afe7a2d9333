"""What a Θ's manifest says about how it was made."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Any

import torch

from meta_trainer.recorder import finite_or_none
from meta_trainer.runs.continuation import Start
from meta_trainer.runs.parents import Parent
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.result import Trained


def describe_training(
    spec: MetaTrainingSpec,
    datasets: Mapping[str, str],
    trained: Trained,
    job_id: str,
    parent: Parent | None = None,
    start: Start | None = None,
) -> dict[str, Any]:
    """The provenance of a meta-trained Θ: job, full spec, parent, data, code, and what validation
    said.

    Args:
        datasets: fingerprints of the data by name.
        parent: what `spec.parent` refers to.
        start: what `spec.continue_from` refers to.
    """
    parent_record = {"version": spec.parent, "sha256": parent.sha256} if parent else None
    return {
        "parent": parent_record,
        "continued_from": start.lineage if start else None,
        "job": job_id,
        "spec": spec.model_dump(mode="json"),
        "datasets": dict(datasets),
        "code": describe_code(),
        "metrics": {
            "validation_loss": finite_or_none(trained.best_loss),
            "initial_validation_loss": finite_or_none(trained.initial_loss),
            "best_update": trained.best_update,
            "n_updates": trained.n_updates,
        },
    }


@cache
def describe_code() -> Mapping[str, str]:
    """Released version, digest of the sources that decide the numbers, and the libraries beneath
    them."""
    return {
        "version": metadata.version("hyperadam-server"),
        "sources_sha256": _digest_sources("meta_trainer", "hyperadam.rules", "hyperadam.kernels"),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _digest_sources(*packages: str) -> str:
    digest = hashlib.sha256()
    for package in packages:
        for path, content in sorted(_list_sources(resources.files(package), package)):
            digest.update(path.encode() + b"\0" + content)
    return digest.hexdigest()


def _list_sources(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    """Path and content of every source file below a folder, which itself has the given path."""
    sources = []
    for entry in folder.iterdir():
        entry_path = f"{path}/{entry.name}"
        if entry.is_dir():
            sources += _list_sources(entry, entry_path)
        elif entry.name.endswith((".py", ".c", ".cpp", ".h")):
            sources.append((entry_path, entry.read_bytes()))
    return sources
