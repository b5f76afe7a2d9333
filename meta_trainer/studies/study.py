"""A study as a job: run its trials, register the best Θ, leave a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData
from meta_trainer.runs.registration import describe_version, register_theta
from meta_trainer.runs.run_recorder import RunRecorder
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.studies import report
from meta_trainer.studies.analysis import find_best_trial
from meta_trainer.studies.conductor import Conductor, StudyFailed
from meta_trainer.studies.ledger import THETA_PATH, Ledger, TrialRecord, TrialState, make_trial_key
from meta_trainer.studies.warm_start import load_known
from meta_trainer.tasks import load_data
from meta_trainer.training.result import Stopped
from registry import Registry


@dataclass(frozen=True, kw_only=True)
class Study:
    """One attempt of a study.

    Its run holds `study/ledger.json` (see `ledger`), `study/control.json` (see `control`) and
    `result/`, whose `result.json` is that of a study under way as soon as its first trial has
    ended.
    """

    spec: StudySpec
    job_id: str
    title: str
    registry: Registry
    connect: Callable[[], Registry]
    """The same registry, from any process."""
    run_id: str
    recorder: RunRecorder
    data_dir: str | None
    cache_dir: str | None
    should_stop: Callable[[], bool]
    original_run_id: str | None = None
    """The run of the study that `warm_start` refers to."""

    def carry_out(self) -> dict[str, Any]:
        """Run it to its end; returns the version of the best Θ.

        Raises:
            Stopped: as asked, after checkpoints of the trials under way.
            FieldProblem: what `warm_start` refers to is gone, or has nothing to learn from.
            DatasetMissing: data of the trials or of their scores is not there.
            NoRoom: no trial found a place on the cluster.
            StudyFailed: too many trials failed, or none gave a finite objective.
        """
        conductor = Conductor(
            self.spec,
            self.registry,
            self.run_id,
            self.job_id,
            self.recorder,
            self._publish,
            self.should_stop,
            load_known(self.spec, self.registry, self.run_id, self.original_run_id),
        )
        progress = {
            "n_trials": conductor.limits.max_trials,
            "resumed_trials": len(conductor.ledger.trials),
        }
        self.recorder.event("study.started", progress)
        self._check_data()
        if conductor.failing or (
            conductor.complete and find_best_trial(self.spec, conductor.ledger) is None
        ):
            conductor.revive_failed()
        try:
            if not conductor.over:
                self._run_trials(conductor)
        finally:
            conductor.close()

        if conductor.paused and not conductor.complete:
            n_ended = sum(trial.ended for trial in conductor.ledger.trials)
            self.recorder.event("stopped", {"trials": n_ended})
            raise Stopped
        return self._conclude(conductor.ledger, failing=conductor.failing)

    def _check_data(self) -> None:
        """Miss data now, rather than when every trial is trained.

        Raises:
            DatasetMissing: something is not in the data folder, or not registered.
        """
        load_data(self.spec.base.data_tasks, self.data_dir, self.registry)
        if isinstance(self.spec.objective, SuiteObjective):
            evaluation = self.spec.objective.evaluation("trial@1")
            EvaluationData.load(evaluation, self.data_dir, self.registry)

    def _run_trials(self, conductor: Conductor) -> None:
        from meta_trainer.studies.on_ray import Tools, run_trials  # Tune takes seconds to import

        folder = str(Path(self.cache_dir) / "studies") if self.cache_dir else None
        run_trials(conductor, Tools(self.connect, self.data_dir), folder)

    def _publish(self, ledger: Ledger) -> None:
        """The result so far: what the command line shows of a study under way."""
        content = report.to_json(self.spec, ledger, None)
        self.recorder.artifact("result/result.json", json.dumps(content, allow_nan=False).encode())

    def _conclude(self, ledger: Ledger, *, failing: bool) -> dict[str, Any]:
        failed = ledger.select_by_state(TrialState.FAILED)
        best = find_best_trial(self.spec, ledger)
        if failing:
            self._leave_report(ledger, None)
            raise StudyFailed(f"{len(failed)} trials failed, the first: {failed[0].error}")
        if best is None or best.run_id is None:
            self._leave_report(ledger, None)
            first_error = f"; {failed[0].error}" if failed else ""
            raise StudyFailed(f"no trial has a finite objective{first_error}")

        version = self._register(best, best.run_id)
        self._leave_report(ledger, version)
        return {"version": version}

    def _register(self, trial: TrialRecord, trial_run_id: str) -> dict[str, Any]:
        """Make a version of the trial's best Θ."""
        theta = Theta.from_bytes(self.registry.get_artifact(trial_run_id, THETA_PATH))
        version = register_theta(
            theta,
            self.spec.trial_spec(trial.values, trial.seed).register_as,
            make_trial_key(self.job_id, trial.number),
            self.run_id,
            self.registry,
            self.recorder,
        )
        return describe_version(version)

    def _leave_report(self, ledger: Ledger, version: dict[str, Any] | None) -> None:
        files = report.make_files(self.spec, ledger, version, self.title)
        for path, content in files.items():
            self.recorder.artifact(f"result/{path}", content)
