"""One trial: an ordinary meta-training that pauses at every validation to report.

It has a run of its own in the registry, nested below the study's, with the metrics, events and
checkpoints of any meta-training. A checkpoint is written before each report: whatever happens, at
most the time since the last one is lost. Θ is, bit for bit, that of a meta-training job with the
same spec.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData, evaluate
from meta_trainer.recorder import LogRecorder, finite_or_none
from meta_trainer.runners import Runner
from meta_trainer.runs import provenance
from meta_trainer.runs.parents import load_parent
from meta_trainer.runs.run_recorder import RunRecorder
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.study import SuiteObjective
from meta_trainer.studies.ledger import THETA_PATH, TrialReport
from meta_trainer.tasks import SpecTaskSource, load_data
from meta_trainer.training.checkpoints import Checkpoint, digest_spec
from meta_trainer.training.initial_theta import initial_theta
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Stopped, Trained
from meta_trainer.training.units import make_rule
from registry import Registry


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    """What a trial is to do; travels to where it runs."""

    study_job: str
    number: int
    run_id: str
    spec: MetaTrainingSpec
    values: Mapping[str, Any]
    reported: int
    """The update of its last report that is known."""
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


class RunningTrial:
    """A trial at work in this process.

    Args:
        interrupted: whether the trial is to stop at the end of its period.
    """

    def __init__(
        self,
        order: TrialOrder,
        registry: Registry,
        runner: Runner,
        data_dir: str | None,
        interrupted: Callable[[], bool],
    ) -> None:
        self._order, self._registry, self._runner, self._data_dir = (
            order,
            registry,
            runner,
            data_dir,
        )
        self._interrupted = interrupted
        self._recorder = _TrialRecorder(
            registry, order.run_id, _next_attempt(registry, order.run_id)
        )
        self._source = SpecTaskSource(load_data(order.spec.data_tasks, data_dir))
        self._parent = load_parent(order.spec, registry)
        self._begin(None)
        self._backlog = self._unreported()

    def advance(self) -> Progress:
        """Train up to the next validation after the first, or the end."""
        if self._backlog:
            return Progress(report=self._backlog.pop(0))
        if self._interrupted():
            return self._pause()
        self._recorder.validated = False
        try:
            self._training.run(lambda: self._recorder.validated or self._interrupted())
        except Stopped:
            return self._progress() if self._recorder.validated else self._pause()
        return self._finish()

    def checkpoint(self) -> bytes:
        """What another member of a population can go on from."""
        return self._recorder.newest

    def adopt(self, checkpoint: bytes) -> None:
        """Go on from a checkpoint of another member, with this trial's own values."""
        self._begin(checkpoint)
        self._backlog = []

    def close(self) -> None:
        """Make everything durable."""
        self._recorder.flush()

    def _begin(self, checkpoint: bytes | None) -> None:
        spec = self._order.spec
        start = self._parent and self._parent.theta
        self._training = MetaTraining(
            spec, self._source, self._runner, self._recorder, parent=start
        )
        if checkpoint is None:
            self._recorder.restore_newest(self._restore)
        else:
            self._restore(checkpoint)

    def _restore(self, data: bytes) -> None:
        if self._order.live_values:
            own = Checkpoint.from_bytes(data, make_rule(self._order.spec.rule))
            data = replace(own, spec_sha256=digest_spec(self._order.spec)).to_bytes()
        self._training.restore(data)
        self._recorder.newest = data

    def _unreported(self) -> list[TrialReport]:
        """Validations that the newest checkpoint has behind it, but whose reports were lost."""
        best, reports = math.inf, []
        for point in self._registry.metrics(self._order.run_id, "validation_loss"):
            loss = point.value if math.isfinite(point.value) else math.inf
            best = min(best, loss)
            if self._order.reported < point.step <= self._training.update and point.step:
                reports.append((point.step, loss, best))
        seconds = self._newest().seconds if reports else 0.0
        return [
            TrialReport(
                update=update, validation_loss=loss, best_validation_loss=least, seconds=seconds
            )
            for update, loss, least in reports
        ]

    def _newest(self) -> Checkpoint:
        return Checkpoint.from_bytes(self._recorder.newest, make_rule(self._order.spec.rule))

    def _progress(self) -> Progress:
        newest = self._newest()
        self._keep(newest)
        return Progress(report=self._report(newest))

    def _report(self, newest: Checkpoint) -> TrialReport:
        return TrialReport(
            update=newest.update,
            validation_loss=self._recorder.validation_loss,
            best_validation_loss=newest.best_loss,
            seconds=newest.seconds,
        )

    def _pause(self) -> Progress:
        self._recorder.flush()
        return Progress(report=None)

    def _finish(self) -> Progress:
        newest = self._newest()
        theta = self._keep(newest)
        if not self._recorder.validated:  # it had been finished before
            self._recorder.validation_loss = newest.best_loss
        score = self._score(theta) if self._order.objective else None
        self._recorder.event(
            "finished", {"score": None if score is None else finite_or_none(score)}
        )
        self._recorder.flush()
        return Progress(report=self._report(newest), finished=True, score=score)

    def _keep(self, newest: Checkpoint) -> Theta:
        """Put the best Θ so far into the run, with its lineage."""
        order = self._order
        start = initial_theta(order.spec, self._parent and self._parent.theta)
        trained = Trained.from_checkpoint(newest, start)
        fingerprints, job = self._source.fingerprints, order.study_job
        made = provenance.describe_training(order.spec, fingerprints, trained, job, self._parent)
        study = {"job": order.study_job, "trial": order.number, "values": dict(order.values)}
        rule = make_rule(order.spec.rule)
        theta = Theta.from_vector(
            rule,
            newest.best_theta,
            rate=order.spec.unroll.rate,
            provenance={**made, "study": study},
        )
        self._recorder.artifact(THETA_PATH, theta.to_bytes())
        loss = finite_or_none(newest.best_loss)
        result = {"trial": order.number, "update": newest.update, "best_update": newest.best_update}
        content = json.dumps({**result, "best_validation_loss": loss}, allow_nan=False)
        self._recorder.artifact("result/result.json", content.encode())
        return theta

    def _score(self, theta: Theta) -> float:
        assert self._order.objective is not None
        name = "trial@1"
        spec = self._order.objective.evaluation(name)
        data = EvaluationData.load(spec, self._data_dir)
        rows = evaluate(spec, {name: theta}, data, self._runner, LogRecorder()).rows
        if any(row.n_diverged or row.final.mean <= 0 for row in rows):
            return math.inf
        return math.exp(math.fsum(math.log(row.final.mean) for row in rows) / len(rows))


class _TrialRecorder(RunRecorder):
    """A run's recorder that notes validations and the newest checkpoint."""

    def __init__(self, registry: Registry, run_id: str, attempt: int) -> None:
        super().__init__(registry, run_id, attempt)
        self.validated, self.validation_loss, self.newest = False, math.inf, b""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        super().metrics(step, values)
        if "validation_loss" in values and step:
            self.validated, self.validation_loss = True, values["validation_loss"]

    def checkpoint(self, update: int, data: bytes) -> None:
        """After the metrics that belong to it: those of a lost report are looked up there."""
        self.flush()
        super().checkpoint(update, data)
        self.newest = data


def _next_attempt(registry: Registry, run_id: str) -> int:
    """One more than that of the newest events: a trial that begins again keeps what it told
    before."""
    files = registry.list_artifacts(run_id, "events")
    numbers = (re.search(r"(\d+)-\d+\.jsonl$", file.path) for file in files)
    return max((int(found[1]) for found in numbers if found), default=0) + 1
