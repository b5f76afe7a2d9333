"""What a Θ's manifest says about how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meta_trainer.code_version import describe_code
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
    kernel: str | None = None,
) -> dict[str, Any]:
    """The provenance of a meta-trained Θ: job, full spec, parent, data, code, and what validation
    said.

    Args:
        datasets: fingerprints of the data by name.
        parent: what `spec.parent` refers to.
        start: what `spec.continue_from` refers to.
        kernel: what ran the rule, as `meta_trainer.training.kernel` names it.
    """
    parent_record = {"version": spec.parent, "sha256": parent.sha256} if parent else None
    return {
        "parent": parent_record,
        "continued_from": start.lineage if start else None,
        "job": job_id,
        "spec": spec.model_dump(mode="json"),
        "datasets": dict(datasets),
        "code": describe_code(),
        "kernel": kernel,
        "metrics": {
            "validation_loss": finite_or_none(trained.best_loss),
            "initial_validation_loss": finite_or_none(trained.initial_loss),
            "best_update": trained.best_update,
            "n_updates": trained.n_updates,
        },
    }
