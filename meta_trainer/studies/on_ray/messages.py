"""What Ray Tune and the conductor tell each other. Tune knows trials by ids of its own."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic as read_clock
from typing import Any, Final

from ray import tune
from ray.tune.search import Searcher

from meta_trainer.runners import NoRoom
from meta_trainer.runners.ray_places import ROOM_SECONDS, describe_shortage
from meta_trainer.studies.conductor import Conductor
from meta_trainer.studies.ledger import TrialRecord
from meta_trainer.studies.trial import Progress

PENDING: Final = "PENDING"
PAUSED: Final = "PAUSED"
RUNNING: Final = "RUNNING"
"""Tune's words for trials without a place, and with one."""


class NothingRuns(Exception):
    """Trials are to stop, and those that are left have no place: nothing is to be waited for."""


class _Unsaved:
    """Has no part in what Tune pickles for a restoration of its own, which is never asked for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Watcher(_Unsaved, tune.Callback):
    """Tells the conductor what becomes of the trials, and the trials when they are to stop."""

    def __init__(self, conductor: Conductor, desk: Any, has_new_place: Callable[[], bool]) -> None:
        """
        Args:
            has_new_place: says whether resources were given to a trial since the beginning, even if
                its process has not started yet.
        """
        self.conductor = conductor
        self._has_new_place = has_new_place
        self._desk = desk
        self._has_told_to_stop = False
        self._numbers: dict[str, int] = {}
        """Of the trials, by Tune's ids."""
        self._newest_progress: dict[str, Progress] = {}
        self._began_at = read_clock()
        self._had_room = False

    def begin_trial(self, trial_id: str, trial: TrialRecord) -> dict[str, Any]:
        """The configuration by which Tune knows a trial."""
        self._numbers[trial_id] = trial.number
        return {
            "number": trial.number,
            "seed": trial.seed,
            "run_id": trial.run_id,
            "values": trial.values,
            "reported": trial.updates,
        }

    def end_trial(self, trial_id: str) -> None:
        """A trial ended without an error: by itself, or because the scheduler stopped it after a
        report."""
        progress = self._newest_progress.get(trial_id)
        has_reported = progress is not None and progress.report is not None
        has_finished = progress is not None and progress.finished
        was_stopped = has_reported and not has_finished
        self.conductor.note_end(self._numbers[trial_id], stopped=was_stopped)

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:  # noqa: ARG002
        """
        Raises:
            NoRoom: no trial found a place in this attempt, or one found no machine with the study's
                kernel, and nothing else runs.
            NothingRuns: trials are to stop, and none of those that are left has a place.
        """
        self.conductor.look()
        self._had_room = self._had_room or any(trial.status != PENDING for trial in trials)
        if self.conductor.interrupting:
            self._interrupt(trials)
        elif self.conductor.stuck:
            raise NoRoom(self.conductor.refusal)
        elif trials and not self._had_room:
            self._look_for_room()

    def _interrupt(self, trials: list[Any]) -> None:
        if not self._has_told_to_stop:
            self._has_told_to_stop = True
            self._desk.stop_trials.remote()
        waiting = [trial for trial in trials if trial.status in (PENDING, PAUSED)]
        are_left = any(trial.status == RUNNING for trial in trials)
        if waiting and not are_left:
            for trial in waiting:
                self.conductor.note_end(self._numbers[trial.trial_id])
            raise NothingRuns

    def _look_for_room(self) -> None:
        seconds = read_clock() - self._began_at
        if seconds <= ROOM_SECONDS:
            return
        self._had_room = self._has_new_place()
        if not self._had_room:
            resources = self.conductor.spec.resources
            needs = f"a trial needs {resources.cpus + resources.workers:g} CPUs"
            others = [f"{amount:g} of {name!r}" for name, amount in resources.custom.items()]
            raise NoRoom(describe_shortage(", ".join([needs, *others]), seconds))

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002
        trials: Any,  # noqa: ARG002
        trial: Any,
        result: Any,
        **info: Any,  # noqa: ARG002
    ) -> None:
        progress = result["progress"]
        self._newest_progress[trial.trial_id] = progress
        number = self._numbers[trial.trial_id]
        self.conductor.note_progress(number, progress, result["values"], result["host"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        number = self._numbers[trial.trial_id]
        self.conductor.note_end(number, error=_summarize_error(trial))


class Proposals(_Unsaved, Searcher):
    """The conductor as Tune's search algorithm."""

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self._watcher = watcher

    def suggest(self, trial_id: str) -> Any:
        conductor = self._watcher.conductor
        trial = conductor.begin_trial()
        if trial is not None:
            return self._watcher.begin_trial(trial_id, trial)
        return Searcher.FINISHED if conductor.over else None

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:  # noqa: ARG002
        if not error:
            self._watcher.end_trial(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing is kept: the ledger has it."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was kept."""


def _summarize_error(trial: Any) -> str:
    """The last line of what Tune says about an error."""
    lines = str(trial.get_error() or "").strip().splitlines()
    return lines[-1][:500] if lines else "the trial failed without saying why"
