"""Studies of tiny meta-trainings, carried out in this process in place of Ray Tune."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meta_trainer.runners import InProcessRunner
from meta_trainer.runs.kernel import load_kernel
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.studies.conductor import Conductor
from meta_trainer.studies.ledger import Ledger, TrialRecord
from meta_trainer.studies.shared_kernel import SharedKernel
from meta_trainer.studies.trial import RunningTrial, TrialOrder
from registry import Registry
from tests.meta_trainer.conftest import TINY, MemoryRecorder

RATE = {"meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-3, "high": 1e-1}}
JOB = "job_1"


def tiny_study(**more: Any) -> StudySpec:
    base = {**TINY, "n_episodes": 2, **more.pop("base", {})}
    fields = {"base": base, "space": RATE, "searcher": {"kind": "random"}, "limits": {"trials": 3}}
    return StudySpec.model_validate(fields | more)


def make_conductor(
    spec: StudySpec,
    registry: Registry,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    recorder: MemoryRecorder | None = None,
) -> Conductor:
    run_id = registry.open_run(JOB, name="study")
    return Conductor(
        spec, registry, run_id, JOB, recorder or MemoryRecorder(), lambda ledger: None, should_stop
    )


def start_trial(
    spec: StudySpec,
    trial: TrialRecord,
    registry: Registry,
    interrupted: Callable[[], bool] = lambda: False,
) -> RunningTrial:
    """What a Tune actor does with the trial that it is given."""
    assert trial.run_id is not None
    order = TrialOrder(
        study_job=JOB,
        study_run_id=registry.open_run(JOB, name="study"),
        number=trial.number,
        run_id=trial.run_id,
        spec=spec.trial_spec(trial.values, trial.seed),
        values=trial.values,
        reported=trial.updates,
        live_values=False,
        objective=spec.objective if isinstance(spec.objective, SuiteObjective) else None,
    )
    agree = SharedKernel(load_kernel(registry, order.study_run_id)).agree
    return RunningTrial(order, registry, InProcessRunner(), None, interrupted, agree)


def run_here(
    conductor: Conductor, registry: Registry, decide: Callable[[int, int], bool] = lambda n, u: True
) -> Ledger:
    """Run the study to its end, one trial after the other.

    Args:
        decide: whether the trial n goes on after its report at update u; stands for a scheduler.
    """
    while (trial := conductor.begin_trial()) is not None:
        running = start_trial(conductor.spec, trial, registry, lambda: conductor.interrupting)
        while True:
            progress = running.advance()
            conductor.note_progress(trial.number, progress, trial.values, "here")
            stopped = (
                progress.report is not None
                and not progress.finished
                and not decide(trial.number, trial.updates)
            )
            if progress.report is None or progress.finished or stopped:
                break
        conductor.note_end(trial.number, stopped=stopped)
    assert conductor.over
    return conductor.ledger
