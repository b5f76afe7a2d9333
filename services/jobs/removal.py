"""Removing a job's run, with those of a study's trials."""

from __future__ import annotations

from meta_trainer.studies.ledger import list_trial_runs
from registry import Registry


def delete_runs(registry: Registry, run_id: str) -> None:
    """Delete a run, after those of a study's trials; versions of Θ stay."""
    for trial_run_id in list_trial_runs(registry, run_id):
        registry.delete_run(trial_run_id)
    registry.delete_run(run_id)
