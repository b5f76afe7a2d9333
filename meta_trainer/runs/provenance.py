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
    return {
        "parent": {"version": spec.parent, "sha256": parent.sha256} if parent else None,
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
        "sources_sha256": _sources_sha256("meta_trainer", "hyperadam.rules", "hyperadam.kernels"),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _sources_sha256(*packages: str) -> str:
    digest = hashlib.sha256()
    for package in packages:
        for path, content in sorted(_sources(resources.files(package), package)):
            digest.update(path.encode() + b"\0" + content)
    return digest.hexdigest()


def _sources(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _sources(entry, f"{path}/{entry.name}")
        elif entry.name.endswith((".py", ".c", ".cpp", ".h")):
            found.append((f"{path}/{entry.name}", entry.read_bytes()))
    return found
