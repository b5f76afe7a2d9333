"""One trial: an ordinary meta-training that pauses at every validation to report.

It has a run of its own in the registry, nested below the study's, with the metrics, events and
checkpoints of any meta-training. A checkpoint is written before each report: whatever happens, at
most the time since the last one is lost. Θ is, bit for bit, that of a meta-training job with the
same spec.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hyperadam.theta import Theta

from meta_trainer.recorder import finite_or_none
from meta_trainer.runners import Runner
from meta_trainer.runs import provenance
from meta_trainer.runs.parents import load_parent
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.studies.ledger import THETA_PATH, TrialReport
from meta_trainer.studies.shared_kernel import Agree, keep_shared_kernel
from meta_trainer.studies.trial_recorder import TrialRecorder
from meta_trainer.studies.trial_score import score_theta
from meta_trainer.tasks import SpecTaskSource, load_data
from meta_trainer.training.checkpoints import Checkpoint, digest_spec
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Stopped, Trained
from meta_trainer.training.units import make_rule
from registry import Registry


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    """What a trial is to do; travels to where it runs."""

    study_job: str
    study_run_id: str
    number: int
    run_id: str
    spec: MetaTrainingSpec
    values: Mapping[str, Any]
    reported: int
    """The update of its last report in the ledger."""
    live_values: bool
    """Whether a checkpoint that was made with other values is gone on from (PBT)."""
    objective: SuiteObjective | None
    """The suite that the finished Θ is to be scored on."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a trial paused."""

    report: TrialReport | None
    """None: it was asked to stop, between two validations."""
    finished: bool = False
    """Trained to the end."""
    score: float | None = None
    """On the suite, once finished; infinite where a start diverged."""
    refusal: str | None = None
    """Why it cannot be carried out where it is: its workers have another kernel."""


class RunningTrial:
    """A trial at work in this process.

    Args:
        is_interrupted: whether the trial is to stop at the end of its period.
        agree: says which kernel all trials have.

    Raises:
        KernelMissing: no worker has that kernel.
    """

    def __init__(
        self,
        order: TrialOrder,
        registry: Registry,
        runner: Runner,
        data_dir: str | None,
        is_interrupted: Callable[[], bool],
        agree: Agree,
    ) -> None:
        self._order = order
        self._registry = registry
        self._runner = runner
        self._data_dir = data_dir
        self._is_interrupted = is_interrupted
        self._rule = make_rule(order.spec.rule)
        self._kernel = keep_shared_kernel(
            order.spec, registry, order.study_run_id, order.run_id, runner, agree
        )
        self._recorder = TrialRecorder(registry, order.run_id)
        self._source = SpecTaskSource(load_data(order.spec.data_tasks, data_dir, registry))
        self._parent = load_parent(order.spec, registry)

        self._training = self._make_training()
        self._recorder.restore_newest(self._restore)
        self._lost_reports = self._recover_reports()

    def advance(self) -> Progress:
        """Train up to the next validation after the first, or the end."""
        if self._lost_reports:
            return Progress(report=self._lost_reports.pop(0))
        if self._is_interrupted():
            return self._pause()
        self._recorder.has_validated = False
        try:
            self._training.run(lambda: self._recorder.has_validated or self._is_interrupted())
        except Stopped:
            return self._report_validation() if self._recorder.has_validated else self._pause()
        return self._finish()

    def checkpoint(self) -> bytes:
        """What another member of a population can go on from."""
        return self._recorder.newest_checkpoint

    def adopt(self, checkpoint: bytes) -> None:
        """Go on from a checkpoint of another member, with this trial's own values."""
        self._training = self._make_training()
        self._restore(checkpoint)
        self._lost_reports = []

    def close(self) -> None:
        """Make everything durable."""
        self._recorder.flush()

    def _make_training(self) -> MetaTraining:
        return MetaTraining(
            self._order.spec,
            self._source,
            self._runner,
            self._recorder,
            parent=self._parent.theta if self._parent else None,
            kernel=self._kernel,
        )

    def _restore(self, data: bytes) -> None:
        if self._order.live_values:
            checkpoint = Checkpoint.from_bytes(data, self._rule)
            spec_sha256 = digest_spec(self._order.spec)
            data = replace(checkpoint, spec_sha256=spec_sha256).to_bytes()
        self._training.restore(data)
        self._recorder.newest_checkpoint = data

    def _recover_reports(self) -> list[TrialReport]:
        """Validations that the newest checkpoint has behind it, but whose reports were lost."""
        if not self._training.update:
            return []
        seconds = self._load_checkpoint().seconds
        reports = []
        best_loss = math.inf
        for point in self._registry.metrics(self._order.run_id, "validation_loss"):
            loss = point.value if math.isfinite(point.value) else math.inf
            best_loss = min(best_loss, loss)
            is_lost = self._order.reported < point.step <= self._training.update
            if is_lost and point.step:
                reports.append(
                    TrialReport(
                        update=point.step,
                        validation_loss=loss,
                        best_validation_loss=best_loss,
                        seconds=seconds,
                    )
                )
        return reports

    def _load_checkpoint(self) -> Checkpoint:
        """The newest one."""
        return Checkpoint.from_bytes(self._recorder.newest_checkpoint, self._rule)

    def _report_validation(self) -> Progress:
        checkpoint = self._load_checkpoint()
        self._save_theta(checkpoint)
        return Progress(report=self._make_report(checkpoint))

    def _make_report(self, checkpoint: Checkpoint) -> TrialReport:
        return TrialReport(
            update=checkpoint.update,
            validation_loss=self._recorder.validation_loss,
            best_validation_loss=checkpoint.best_loss,
            seconds=checkpoint.seconds,
        )

    def _pause(self) -> Progress:
        self._recorder.flush()
        return Progress(report=None)

    def _finish(self) -> Progress:
        checkpoint = self._load_checkpoint()
        theta = self._save_theta(checkpoint)
        if not self._recorder.has_validated:  # the training had been finished before
            self._recorder.validation_loss = checkpoint.best_loss

        score: float | None = None
        objective = self._order.objective
        if objective is not None:
            score = self._score(objective, theta)
        json_score = None if score is None else finite_or_none(score)
        self._recorder.event("finished", {"score": json_score})
        self._recorder.flush()
        return Progress(report=self._make_report(checkpoint), finished=True, score=score)

    def _score(self, objective: SuiteObjective, theta: Theta) -> float:
        """By the kernel that it was trained with, unless any is allowed."""
        kernel = None if self._order.spec.kernel == "any" else self._kernel
        return score_theta(objective, theta, self._runner, self._data_dir, self._registry, kernel)

    def _save_theta(self, checkpoint: Checkpoint) -> Theta:
        """Put the best Θ so far into the run, with its lineage."""
        theta = Theta.from_vector(
            self._rule,
            checkpoint.best_theta,
            rate=self._order.spec.unroll.rate,
            provenance=self._describe_lineage(checkpoint),
        )
        self._recorder.artifact(THETA_PATH, theta.to_bytes())

        result = {
            "trial": self._order.number,
            "update": checkpoint.update,
            "best_update": checkpoint.best_update,
            "best_validation_loss": finite_or_none(checkpoint.best_loss),
        }
        content = json.dumps(result, allow_nan=False).encode()
        self._recorder.artifact("result/result.json", content)
        return theta

    def _describe_lineage(self, checkpoint: Checkpoint) -> dict[str, Any]:
        order = self._order
        start = make_initial_theta(order.spec, self._parent.theta if self._parent else None)
        lineage = provenance.describe_training(
            order.spec,
            self._source.fingerprints,
            Trained.from_checkpoint(checkpoint, start),
            order.study_job,
            self._parent,
            kernel=self._kernel,
        )
        lineage["study"] = {
            "job": order.study_job,
            "trial": order.number,
            "values": dict(order.values),
        }
        return lineage
