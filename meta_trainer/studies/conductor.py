"""The conductor of a study: which trial begins when, and what becomes of those that run. Knows
nothing of Ray.

It is told what happens and keeps the ledger; every change is durable before the next trial is
handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from meta_trainer.recorder import Recorder
from meta_trainer.runs.kernel import load_kernel
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialState
from meta_trainer.studies.limits import StudyLimits
from meta_trainer.studies.search import propose_trial
from meta_trainer.studies.trial import Progress
from meta_trainer.studies.trial_events import (
    close_trial_run,
    open_trial_run,
    tell_trial_end,
    tell_trial_start,
)
from meta_trainer.studies.warm_start import KnownPoint
from meta_trainer.training.stopwatch import Stopwatch
from registry import Registry


class StudyFailed(Exception):
    """More trials failed than the study allows, or none gave anything."""


class Conductor:
    """One attempt of a study.

    Args:
        job_id: the study's, from which the keys of its trials' runs are made.
        publish: called when the ledger changed in a way that people want to see.
        should_stop: whether the attempt is to pause.
        known: points of another study, which the searcher learns from.
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
        known: Sequence[KnownPoint] = (),
    ) -> None:
        self.spec = spec
        self.run_id = run_id
        self.job_id = job_id
        self.ledger = Ledger.load(registry, run_id)
        self.limits = StudyLimits(spec, registry, run_id)
        self._registry = registry
        self._recorder = recorder
        self._publish = publish
        self._should_stop = should_stop
        self._known = known
        self._stopwatch = Stopwatch(seconds_before=self.ledger.seconds)
        self._running: set[int] = set()
        """Numbers of the trials that were handed out and have not come back."""
        self._is_exhausted = False
        """Whether the searcher has no further trial."""
        self.refusal: str | None = None
        """Why a trial could not be carried out on the machines of this attempt."""
        self._tell_missed_ends()

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
        return limit is not None and self._stopwatch.seconds >= limit

    @property
    def failing(self) -> bool:
        n_failed = len(self.ledger.select_by_state(TrialState.FAILED))
        return n_failed > self.spec.limits.failed_trials

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing will begin."""
        if self._running:
            return False
        return self.interrupting or self.complete

    @property
    def complete(self) -> bool:
        """Whether every trial has ended and no other is to begin."""
        return self._has_no_more and all(trial.ended for trial in self.ledger.trials)

    @property
    def stuck(self) -> bool:
        """Whether nothing runs, and what is left waits for other machines."""
        return self.refusal is not None and not self._running and not self.over

    def load_kernel(self) -> str | None:
        """What all trials run on; None before the first one."""
        return load_kernel(self._registry, self.run_id)

    def look(self) -> None:
        """Read what people ask for, now and then, and make events durable."""
        if not self.limits.is_look_due:
            return
        if self.limits.look():
            self._is_exhausted = False
            self._recorder.event("study.changed", self.limits.to_json())
        self._recorder.flush()

    def begin_trial(self) -> TrialRecord | None:
        """The next trial to run, with a run of its own in the registry; None while there is
        none."""
        is_full = len(self._running) >= self.limits.max_parallel_trials
        if is_full or self.interrupting or self.refusal is not None:
            return None
        trial = self._find_waiting_trial() or self._add_trial()
        if trial is None:
            return None
        self._running.add(trial.number)
        if trial.run_id is None:
            trial.run_id = open_trial_run(self._registry, self.run_id, self.job_id, trial)
            self._save()
        tell_trial_start(trial, self._recorder)
        return trial

    def note_progress(
        self, number: int, progress: Progress, values: Mapping[str, Any], node: str
    ) -> None:
        """A running trial reports.

        Args:
            values: those that it trains with now; PBT changes them.
            node: id of the node of the cluster that it runs on.
        """
        if progress.refusal is not None:
            self.refusal = progress.refusal
        if progress.report is None:
            return
        trial = self.ledger.trials[number]
        if dict(values) != trial.values:
            trial.history.append({"update": trial.updates, "values": trial.values})
            trial.values = dict(values)
        trial.add_report(progress.report)
        trial.node = node
        trial.score = progress.score
        if progress.finished:
            trial.state = TrialState.COMPLETED
            trial.told = False
        self._save()

    def note_end(self, number: int, error: str | None = None, *, stopped: bool = False) -> None:
        """A trial no longer runs.

        Args:
            error: why it failed for good.
            stopped: whether the scheduler stopped it.
        """
        if number not in self._running:
            return
        self._running.remove(number)
        trial = self.ledger.trials[number]
        time_is_up = self.out_of_time and not self.paused
        if error is not None:
            trial.state = TrialState.FAILED
            trial.error = error
        elif not trial.ended and (stopped or time_is_up):
            trial.state = TrialState.STOPPED
        trial.told = not trial.ended
        self._save()
        if trial.ended:
            self._finish(trial)

    def revive_failed(self) -> None:
        """Let failed trials go on from their checkpoints: what they failed by may be mended."""
        for trial in self.ledger.select_by_state(TrialState.FAILED):
            trial.state = TrialState.RUNNING
            trial.error = None
            self._recorder.event("trial.retried", {"trial": trial.number, "update": trial.updates})
        self._save()

    def _tell_missed_ends(self) -> None:
        """Tell of trials that ended just before an earlier attempt was killed."""
        for trial in self.ledger.trials:
            if trial.ended and not trial.told:
                self._finish(trial)

    def close(self) -> None:
        """Save the time that the attempt took."""
        self._save()

    @property
    def _has_no_more(self) -> bool:
        is_full = len(self.ledger.trials) >= self.limits.max_trials
        return self._is_exhausted or self.limits.stopping or is_full

    def _find_waiting_trial(self) -> TrialRecord | None:
        """The first trial that an earlier attempt left under way."""
        for trial in self.ledger.trials:
            if not trial.ended and trial.number not in self._running:
                return trial
        return None

    def _add_trial(self) -> TrialRecord | None:
        """A new trial, in the ledger; None where there is to be no other."""
        if self._has_no_more:
            return None
        trial = propose_trial(self.spec, self.ledger, self._known)
        if trial is None:
            self._is_exhausted = True
            return None
        self.ledger.trials.append(trial)
        return trial

    def _finish(self, trial: TrialRecord) -> None:
        """Close the run of a trial that ended, and tell of it."""
        close_trial_run(self._registry, trial)
        tell_trial_end(self.spec, self.ledger, trial, self.limits.max_trials, self._recorder)
        trial.told = True
        self._save()
        self._publish(self.ledger)

    def _save(self) -> None:
        self.ledger.seconds = self._stopwatch.seconds
        self.ledger.save(self._registry, self.run_id)
