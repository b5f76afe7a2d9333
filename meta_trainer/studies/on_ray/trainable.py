"""A trial as Ray Tune runs it: in a process that takes the next trial when this one ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray import tune

from meta_trainer.runners import InProcessRunner, Runner
from meta_trainer.runners.ray_runner import RayRunner
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import PopulationSpec, SuiteObjective
from meta_trainer.studies.on_ray.schedulers import to_tune_result
from meta_trainer.studies.trial import RunningTrial, TrialOrder
from registry import Registry

POLL_SECONDS: Final = 0.5
"""Time between two looks of a trial at whether it is to stop."""
_CHECKPOINT: Final = "checkpoint.safetensors"


@dataclass(frozen=True)
class Tools:
    """What a trial is carried out with, on whatever machine."""

    connect: Callable[[], Registry]
    data_dir: str | None


class Switch:
    """Tells all trials of a study whether they are to stop. An actor of Ray."""

    def __init__(self) -> None:
        self._is_on = False

    def turn_on(self) -> None:
        self._is_on = True

    def is_on(self) -> bool:
        return self._is_on


class TrialTrainable(tune.Trainable):
    """A `RunningTrial` as Tune's trainable. One step goes up to the next validation."""

    def setup(  # type: ignore[override]  # the others come by `tune.with_parameters`
        self, config: dict[str, Any], spec: StudySpec, job_id: str, tools: Tools, switch: Any
    ) -> None:
        self._spec = spec
        self._job_id = job_id
        self._tools = tools
        self._registry = tools.connect()
        self._switch = switch
        self._is_switched = False
        self._last_look = 0.0
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial; the process is warm."""
        self._trial.close()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        progress = self._trial.advance()
        metrics = {} if progress.report is None else to_tune_result(self._spec, progress.report)
        return {
            **metrics,
            "done": progress.finished or progress.report is None,
            "progress": progress,
            "values": self.config["values"],
            "host": ray.get_runtime_context().get_node_id(),
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
            order, self._registry, self._make_runner(), self._tools.data_dir, self._is_interrupted
        )

    def _make_runner(self) -> Runner:
        n_workers = self._spec.resources.workers
        return RayRunner(max_workers=n_workers) if n_workers else InProcessRunner()

    def _is_interrupted(self) -> bool:
        is_look_due = time.monotonic() - self._last_look >= POLL_SECONDS
        if not self._is_switched and is_look_due:
            self._is_switched = bool(ray.get(self._switch.is_on.remote()))
            self._last_look = time.monotonic()
        return self._is_switched
