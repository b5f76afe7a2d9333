"""The ledger of a study: what is known of every trial, as JSON in the study's run.

It is the only state of a study. Whoever goes on after a crash, a pause or on another machine reads
it, and each trial's own checkpoints, and needs nothing of what Tune or Optuna keep in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from meta_trainer.recorder import finite_or_none
from registry import ArtifactNotFound, Registry, RunNotFound

LEDGER_PATH: Final = "study/ledger.json"
THETA_PATH: Final = "result/theta.safetensors"
"""The best Θ of a trial so far, among the artifacts of its run."""


class TrialState(StrEnum):
    RUNNING = "running"
    """Proposed, and not ended; after a crash or a pause it goes on from its checkpoint."""
    COMPLETED = "completed"
    """Trained to the end."""
    STOPPED = "stopped"
    """By the scheduler, or at the study's time limit."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class TrialReport:
    """What a trial says at a validation."""

    update: int
    """Updates of Θ done."""
    validation_loss: float
    """Infinite where a learner diverged."""
    best_validation_loss: float
    seconds: float
    """Training time of the trial so far, over all its attempts."""

    def to_json(self) -> dict[str, Any]:
        """What is not finite becomes None."""
        return {name: finite_or_none(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(
            update=content["update"],
            validation_loss=_infinite_if_none(content["validation_loss"]),
            best_validation_loss=_infinite_if_none(content["best_validation_loss"]),
            seconds=_infinite_if_none(content["seconds"]),
        )


@dataclass(kw_only=True)
class TrialRecord:
    """One trial: a point of the space with a seed."""

    number: int
    """From 0."""
    point: int
    """Trials of the same point differ only in their seed."""
    seed: int
    values: dict[str, Any]
    """Value of each varied field by its path; under PBT the newest ones."""
    n_updates: int
    """Of the whole training."""
    state: TrialState = TrialState.RUNNING
    run_id: str | None = None
    reports: list[TrialReport] = field(default_factory=list)
    score: float | None = None
    """Of the suite, where the objective is one: None until it is known, infinite where a start
    diverged."""
    node: str | None = None
    """Id of the node of the cluster that it last ran on."""
    error: str | None = None
    told: bool = True
    """Whether the events of its end are durable; those of a trial that has not ended are due."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """PBT: what else was trained with, as {update, values}, oldest first."""

    @property
    def ended(self) -> bool:
        return self.state is not TrialState.RUNNING

    @property
    def updates(self) -> int:
        return self.reports[-1].update if self.reports else 0

    @property
    def seconds(self) -> float:
        return self.reports[-1].seconds if self.reports else 0.0

    def add_report(self, report: TrialReport) -> None:
        """Take in a report; an update that was reported before is a repetition after a crash."""
        if report.update > self.updates:
            self.reports.append(report)

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        content["reports"] = [report.to_json() for report in self.reports]
        if self.score is not None:
            content["score"] = {"finite": finite_or_none(self.score)}
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        fields = dict(content)
        fields["state"] = TrialState(content["state"])
        fields.setdefault("told", True)  # as in a ledger of an earlier version
        fields["reports"] = [TrialReport.from_json(report) for report in content["reports"]]
        if content["score"] is not None:
            fields["score"] = _infinite_if_none(content["score"]["finite"])
        return cls(**fields)


@dataclass(kw_only=True)
class Ledger:
    """All trials, in the order of their numbers, and the time that the study took so far."""

    trials: list[TrialRecord] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def load(cls, registry: Registry, run_id: str) -> Self:
        """The study's ledger as it was last saved; an empty one for a new study."""
        try:
            content = json.loads(registry.get_artifact(run_id, LEDGER_PATH))
        except ArtifactNotFound:
            return cls()
        return cls(
            trials=[TrialRecord.from_json(trial) for trial in content["trials"]],
            seconds=content["seconds"],
        )

    def save(self, registry: Registry, run_id: str) -> None:
        """Make it durable."""
        content = {"trials": [trial.to_json() for trial in self.trials], "seconds": self.seconds}
        registry.put_artifact(run_id, LEDGER_PATH, json.dumps(content, allow_nan=False).encode())

    def select_by_point(self, point: int) -> list[TrialRecord]:
        return [trial for trial in self.trials if trial.point == point]

    def select_by_state(self, state: TrialState) -> list[TrialRecord]:
        return [trial for trial in self.trials if trial.state is state]


def _infinite_if_none(value: float | None) -> float:
    return math.inf if value is None else value


def make_trial_key(job_id: str, number: int) -> str:
    """The key of a trial's run, and of the version made of its Θ."""
    return f"{job_id}.t{number:05d}"


def list_trial_runs(registry: Registry, run_id: str) -> list[str]:
    """The runs of a study's trials; none for the run of another job, or one that is gone."""
    try:
        trials = Ledger.load(registry, run_id).trials
    except RunNotFound:
        return []
    return [trial.run_id for trial in trials if trial.run_id is not None]
