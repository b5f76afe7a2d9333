"""The conductor of a study: which trial begins when, and what becomes of those that run. Knows
nothing of Ray.

It is told what happens and keeps the ledger; every change is durable before the next trial is
handed out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from meta_trainer.recorder import Recorder, finite_or_none
from meta_trainer.specs.study import PopulationSpec, StudySpec
from meta_trainer.studies.control import Control
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialState, make_trial_key
from meta_trainer.studies.objective import objective
from meta_trainer.studies.search import next_trial
from meta_trainer.studies.trial import Progress
from registry import Registry

LOOK_SECONDS: Final = 1.0
"""Time between two looks at what people ask for."""


class StudyFailed(Exception):
    """More trials failed than the study allows, or none gave anything."""


class Conductor:
    """One attempt of a study.

    Args:
        job_id: the study's, from which the keys of its trials' runs are made.
        publish: called when the ledger changed in a way that people want to see.
        should_stop: whether the attempt is to pause.
    """

    def __init__(
        self,
        spec: StudySpec,
        registry: Registry,
        run_id: str,
        job_id: str,
        recorder: Recorder,
        publish: Callable[[Ledger], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.spec, self.job_id, self.ledger = spec, job_id, Ledger.load(registry, run_id)
        self._registry, self._run_id, self._recorder = registry, run_id, recorder
        self._publish, self._should_stop = publish, should_stop
        self._handed_out: set[int] = set()
        self._seconds_before, self._began = self.ledger.seconds, time.monotonic()
        self._control, self._looked = Control.load(registry, run_id), time.monotonic()
        self._exhausted = False

    @property
    def paused(self) -> bool:
        """Whether trials that run are to stop at their next period, to go on in a later attempt."""
        return self._should_stop()

    @property
    def interrupting(self) -> bool:
        """Whether trials that run are to stop at their next period, for whatever reason."""
        return self.paused or self.out_of_time or self.failing

    @property
    def out_of_time(self) -> bool:
        limit = self.spec.limits.wall_seconds
        return limit is not None and self._seconds() >= limit

    @property
    def failing(self) -> bool:
        return len(self.ledger.in_state(TrialState.FAILED)) > self.spec.limits.failed_trials

    @property
    def max_trials(self) -> int:
        """Trials in all, as far as is known."""
        if isinstance(self.spec.searcher, PopulationSpec):
            return self.spec.searcher.population
        limit = self._control.trials or self.spec.limits.trials
        if self.spec.searcher.kind == "grid":
            return min(limit, self.spec.n_grid_points * len(self.spec.all_seeds))
        return limit

    @property
    def active(self) -> list[int]:
        """Numbers of the trials that were handed out and have not come back."""
        return sorted(self._handed_out)

    def look(self) -> None:
        """Read what people ask for, now and then, and save the time."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked, before = time.monotonic(), self._control
        self._control = Control.load(self._registry, self._run_id)
        if self._control != before:
            self._exhausted = False
            self._recorder.event("study.changed", self._limits())
        self._recorder.flush()

    def propose(self) -> TrialRecord | None:
        """The next trial to begin, with a run of its own; None while there is none."""
        if self.interrupting or len(self._handed_out) >= self._parallel():
            return None
        begun = [
            trial
            for trial in self.ledger.trials
            if not trial.ended and trial.number not in self._handed_out
        ]
        trial = begun[0] if begun else self._new_trial()
        if trial is None:
            return None
        self._handed_out.add(trial.number)
        if trial.run_id is None:
            name = f"trial {trial.number}"
            trial.run_id = self._registry.open_run(
                make_trial_key(self.job_id, trial.number),
                name=name,
                tags={"kind": "trial"},
                parent_run_id=self._run_id,
            )
            self._save()
        data: dict[str, Any] = {"trial": trial.number, "seed": trial.seed, "values": trial.values}
        data["resumed_from"] = trial.updates or None
        self._recorder.event("trial.started", data)
        return trial

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing will be proposed."""
        if self._handed_out:
            return False
        return self.interrupting or self.complete

    @property
    def complete(self) -> bool:
        """Whether every trial has ended and no other is to begin."""
        return self._no_more() and all(trial.ended for trial in self.ledger.trials)

    def report(self, number: int, progress: Progress, values: Mapping[str, Any], node: str) -> None:
        """Take in what a trial says."""
        trial = self.ledger.trials[number]
        if progress.report is None:
            return
        if dict(values) != trial.values:  # by PBT
            trial.history.append({"update": trial.updates, "values": trial.values})
            trial.values = dict(values)
        trial.add(progress.report)
        trial.node, trial.score = node, progress.score
        if progress.finished:
            trial.state = TrialState.COMPLETED
        self._save()

    def came_back(self, number: int, error: str | None = None, *, stopped: bool = False) -> None:
        """A trial no longer runs.

        Args:
            error: why it failed for good.
            stopped: whether the scheduler stopped it.
        """
        trial = self.ledger.trials[number]
        if number not in self._handed_out:
            return
        self._handed_out.remove(number)
        if error is not None:
            trial.state, trial.error = TrialState.FAILED, error
        elif not trial.ended and (stopped or (self.out_of_time and not self.paused)):
            trial.state = TrialState.STOPPED
        self._save()
        if trial.ended:
            self._tell_end(trial)

    def close(self) -> None:
        """Save the time that the attempt took."""
        self._save()

    def _new_trial(self) -> TrialRecord | None:
        if self._no_more():
            return None
        trial = next_trial(self.spec, self.ledger)
        if trial is None:
            self._exhausted = True
            return None
        self.ledger.trials.append(trial)
        return trial

    def _no_more(self) -> bool:
        return (
            self._exhausted or self._control.stopping or len(self.ledger.trials) >= self.max_trials
        )

    def _parallel(self) -> int:
        return self._control.parallel_trials or self.spec.limits.parallel_trials

    def _tell_end(self, trial: TrialRecord) -> None:
        if trial.run_id is not None:
            self._registry.close_run(
                trial.run_id, "failed" if trial.state is TrialState.FAILED else "finished"
            )
        value = objective(self.spec, trial)
        done = sum(trial.ended for trial in self.ledger.trials)
        told = None if value is None else finite_or_none(value)
        data = {"trial": trial.number, "objective": told, "error": trial.error}
        data |= {"update": trial.updates, "n_updates": trial.n_updates}
        self._recorder.event(f"trial.{trial.state}", data)
        label = f"trial {trial.number} {trial.state}"
        self._recorder.event(
            "cell", {"done": done, "total": max(done, self.max_trials), "label": label}
        )
        if value is not None and math.isfinite(value):
            self._recorder.metrics(done, {"objective": value})
        self._recorder.flush()
        self._publish(self.ledger)

    def _limits(self) -> dict[str, Any]:
        stopping = self._control.stopping
        return {
            "trials": self.max_trials,
            "parallel_trials": self._parallel(),
            "stopping": stopping,
        }

    def _save(self) -> None:
        self.ledger.seconds = self._seconds()
        self.ledger.save(self._registry, self._run_id)

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began
