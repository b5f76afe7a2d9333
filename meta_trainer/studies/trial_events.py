"""What the outside sees of a trial that begins or ends: its run in the registry, and the study's
events."""

from __future__ import annotations

import math

from meta_trainer.recorder import Recorder, finite_or_none
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialState, make_trial_key
from meta_trainer.studies.objective import compute_objective
from registry import Registry


def open_trial_run(registry: Registry, run_id: str, job_id: str, trial: TrialRecord) -> str:
    """A run of the trial's own, below that of its study."""
    return registry.open_run(
        make_trial_key(job_id, trial.number),
        name=f"trial {trial.number}",
        tags={"kind": "trial"},
        parent_run_id=run_id,
    )


def close_trial_run(registry: Registry, trial: TrialRecord) -> None:
    """Close the run of a trial that ended; one that never began has none."""
    if trial.run_id is None:
        return
    has_failed = trial.state is TrialState.FAILED
    registry.close_run(trial.run_id, "failed" if has_failed else "finished")


def tell_trial_start(trial: TrialRecord, recorder: Recorder) -> None:
    recorder.event(
        "trial.started",
        {
            "trial": trial.number,
            "seed": trial.seed,
            "values": trial.values,
            "resumed_from": trial.updates or None,
        },
    )


def tell_trial_end(
    spec: StudySpec, ledger: Ledger, trial: TrialRecord, max_trials: int, recorder: Recorder
) -> None:
    """How a trial ended, how far the study is, and the objective; durable on return.

    Args:
        max_trials: of the study, as far as is known.
    """
    value = compute_objective(spec, trial)
    recorder.event(
        f"trial.{trial.state}",
        {
            "trial": trial.number,
            "objective": None if value is None else finite_or_none(value),
            "error": trial.error,
            "update": trial.updates,
            "n_updates": trial.n_updates,
        },
    )
    n_ended = sum(trial.ended for trial in ledger.trials)
    cell = {
        "done": n_ended,
        "total": max(n_ended, max_trials),
        "label": f"trial {trial.number} {trial.state}",
    }
    recorder.event("cell", cell)
    if value is not None and math.isfinite(value):
        recorder.metrics(n_ended, {"objective": value})
    recorder.flush()
