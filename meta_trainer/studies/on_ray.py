"""Ray Tune carries out the trials: it places them on nodes, runs them side by side, stops them
early, tries again.

What Tune is asked for is execution. Which trial is next, and what is known of all of them, is the
conductor's matter, so that nothing is read back from the files that Tune writes, which are pickles.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray import tune
from ray.tune.search import Searcher

from meta_trainer.runners import InProcessRunner, Runner
from meta_trainer.runners.ray_runner import RayRunner
from meta_trainer.specs.study import PopulationSpec, ResourcesSpec, StudySpec, SuiteObjective
from meta_trainer.studies.conductor import Conductor
from meta_trainer.studies.ledger import TrialRecord
from meta_trainer.studies.schedulers import make_scheduler, result_of
from meta_trainer.studies.trial import Progress, RunningTrial, TrialOrder
from registry import Registry

POLL_SECONDS: Final = 0.5
"""Time between two looks of a trial at whether it is to stop."""
_SETTINGS: Final = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "256",
    "RAY_AIR_NEW_OUTPUT": "0",
}
"""Tune is asked not to write reports of its own, nor to take SIGINT for itself, nor to fail over a
trial that comes back without metrics, as one that pauses does; and to start trials side by side,
not one after the other."""
_CHECKPOINT: Final = "checkpoint.safetensors"
_ENDLESS: Final = 10**9
"""Trials that Tune would take; how many there are is the conductor's matter."""


@dataclass(frozen=True)
class Tools:
    """What a trial is carried out with, on whatever machine."""

    connect: Callable[[], Registry]
    data_dir: str | None


def run_trials(conductor: Conductor, tools: Tools, folder: str | None) -> None:
    """Run the study until its conductor says that it is over.

    Args:
        folder: for Tune's own files; with PBT and several machines, one that all of them see. None:
            a temporary one.
    """
    with _connected(), _tune_folder(folder) as storage:
        logging.getLogger("ray.tune.analysis").setLevel(
            logging.ERROR
        )  # it misses the files that we do without
        switch: Any = ray.remote(num_cpus=0)(_Switch).remote()
        watcher = _Watcher(conductor, switch)
        trial = tune.with_parameters(
            _Trial, spec=conductor.spec, job_id=conductor.job_id, tools=tools, switch=switch
        )
        tuner = tune.Tuner(
            tune.with_resources(trial, _resources(conductor.spec.resources)),
            tune_config=tune.TuneConfig(
                search_alg=_Proposals(watcher),
                scheduler=make_scheduler(conductor.spec, conductor.ledger),
                num_samples=_ENDLESS,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="study",
                storage_path=storage,
                failure_config=tune.FailureConfig(
                    max_failures=conductor.spec.limits.failures_per_trial
                ),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[watcher],
                verbose=0,
            ),
        )
        tuner.fit()


def _resources(spec: ResourcesSpec) -> tune.PlacementGroupFactory:
    """One bundle for the trial's own process, one for each of its workers."""
    own = {"CPU": spec.cpus, **spec.custom}
    return tune.PlacementGroupFactory(
        [own, *({"CPU": 1.0} for _ in range(spec.workers))],
        strategy=spec.placement.replace("-", "_").upper(),
    )


@contextmanager
def _connected() -> Iterator[None]:
    """On the cluster of this process, or else on a local Ray of its own. Ray leaves our handler of
    SIGTERM alone."""
    if ray.is_initialized():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(address="local", include_dashboard=False, log_to_driver=True)
    signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _tune_folder(folder: str | None) -> Iterator[str]:
    """A folder of one attempt's own, for Tune as we want it."""
    os.environ.update(_SETTINGS)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="study-", dir=folder) as storage:
        yield storage


class _Switch:
    """Tells all trials of a study whether they are to stop."""

    def __init__(self) -> None:
        self._on = False

    def turn_on(self) -> None:
        self._on = True

    def is_on(self) -> bool:
        return self._on


class _Trial(tune.Trainable):
    """A `RunningTrial` as Tune's trainable. One step goes up to the next validation."""

    def setup(  # type: ignore[override]  # the others come by `tune.with_parameters`
        self, config: dict[str, Any], spec: StudySpec, job_id: str, tools: Tools, switch: Any
    ) -> None:
        self._spec, self._job_id, self._tools, self._switch = spec, job_id, tools, switch
        self._registry = tools.connect()
        self._looked, self._stop = 0.0, False
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial; the process is warm."""
        self._trial.close()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        progress = self._trial.advance()
        result = {} if progress.report is None else result_of(self._spec, progress.report)
        done = progress.finished or progress.report is None
        node = ray.get_runtime_context().get_node_id()
        return {
            **result,
            "done": done,
            "progress": progress,
            "values": self.config["values"],
            "host": node,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        (Path(checkpoint_dir) / _CHECKPOINT).write_bytes(self._trial.checkpoint())

    def load_checkpoint(self, checkpoint_dir: Any) -> None:
        self._trial.adopt((Path(checkpoint_dir) / _CHECKPOINT).read_bytes())

    def cleanup(self) -> None:
        self._trial.close()

    def _begin(self, config: dict[str, Any]) -> None:
        objective = self._spec.objective
        order = TrialOrder(
            study_job=self._job_id,
            number=config["number"],
            run_id=config["run_id"],
            spec=self._spec.trial_spec(config["values"], config["seed"]),
            values=config["values"],
            reported=config["reported"],
            live_values=isinstance(self._spec.searcher, PopulationSpec),
            objective=objective if isinstance(objective, SuiteObjective) else None,
        )
        self._trial = RunningTrial(
            order, self._registry, self._runner(), self._tools.data_dir, self._interrupted
        )

    def _runner(self) -> Runner:
        workers = self._spec.resources.workers
        return RayRunner(max_workers=workers) if workers else InProcessRunner()

    def _interrupted(self) -> bool:
        if not self._stop and time.monotonic() - self._looked >= POLL_SECONDS:
            self._stop = bool(ray.get(self._switch.is_on.remote()))
            self._looked = time.monotonic()
        return self._stop


class _Unsaved:
    """Has no part in what Tune pickles for a restoration of its own, which is never asked for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Watcher(_Unsaved, tune.Callback):
    """Carries words between Tune and the conductor."""

    def __init__(self, conductor: Conductor, switch: Any) -> None:
        self.conductor, self._switch, self._switched = conductor, switch, False
        self._numbers: dict[str, int] = {}
        self._newest: dict[str, Progress] = {}

    def begin(self, trial_id: str, trial: TrialRecord) -> dict[str, Any]:
        """The configuration by which Tune knows a trial."""
        self._numbers[trial_id] = trial.number
        return {
            "number": trial.number,
            "seed": trial.seed,
            "run_id": trial.run_id,
            "values": trial.values,
            "reported": trial.updates,
        }

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:  # noqa: ARG002
        self.conductor.look()
        if self.conductor.interrupting and not self._switched:
            self._switched = True
            self._switch.turn_on.remote()

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002
        trials: Any,  # noqa: ARG002
        trial: Any,
        result: Any,
        **info: Any,  # noqa: ARG002
    ) -> None:
        progress = self._newest[trial.trial_id] = result["progress"]
        self.conductor.report(
            self._numbers[trial.trial_id], progress, result["values"], result["host"]
        )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        self.conductor.came_back(self._numbers[trial.trial_id], error=_reason(trial))

    def ended(self, trial_id: str) -> None:
        """A trial ended without an error: by itself, or because the scheduler stopped it after a
        report."""
        progress = self._newest.get(trial_id)
        stopped = progress is not None and progress.report is not None and not progress.finished
        self.conductor.came_back(self._numbers[trial_id], stopped=stopped)


class _Proposals(_Unsaved, Searcher):
    """The conductor as Tune's search algorithm."""

    def __init__(self, watcher: _Watcher) -> None:
        super().__init__()
        self._watcher = watcher

    def suggest(self, trial_id: str) -> Any:
        conductor = self._watcher.conductor
        trial = conductor.propose()
        if trial is not None:
            return self._watcher.begin(trial_id, trial)
        return Searcher.FINISHED if conductor.over else None

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:  # noqa: ARG002
        if not error:
            self._watcher.ended(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing is kept: the ledger has it."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was kept."""


def _reason(trial: Any) -> str:
    """The last line of what Tune says about an error."""
    lines = str(trial.get_error() or "").strip().splitlines()
    return lines[-1][:500] if lines else "the trial failed without saying why"
