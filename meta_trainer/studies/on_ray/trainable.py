"""A trial as Ray Tune runs it: in a process that takes the next trial when this one ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray import tune

from meta_trainer.runners import InProcessRunner, Runner, WorkRefused
from meta_trainer.runners.ray_runner import RayRunner
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import PopulationSpec, SuiteObjective
from meta_trainer.studies.on_ray.schedulers import to_tune_result
from meta_trainer.studies.trial import Progress, RunningTrial, TrialOrder
from registry import Registry

POLL_SECONDS: Final = 0.5
"""Time between two looks of a trial at whether it is to stop."""
_CHECKPOINT: Final = "checkpoint.safetensors"


@dataclass(frozen=True)
class Tools:
    """What a trial is carried out with, on whatever machine."""

    connect: Callable[[], Registry]
    data_dir: str | None


class TrialTrainable(tune.Trainable):
    """A `RunningTrial` as Tune's trainable. One step goes up to the next validation."""

    _trial: RunningTrial | None
    """None: no worker here has the study's kernel."""

    def setup(  # type: ignore[override]  # the others come by `tune.with_parameters`
        self,
        config: dict[str, Any],
        spec: StudySpec,
        job_id: str,
        study_run_id: str,
        tools: Tools,
        desk: Any,
    ) -> None:
        self._spec = spec
        self._job_id = job_id
        self._study_run_id = study_run_id
        self._tools = tools
        self._registry = tools.connect()
        self._desk = desk
        self._is_stopping = False
        self._last_look = 0.0
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial; the process is warm."""
        self.cleanup()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        progress = self._advance()
        metrics = {} if progress.report is None else to_tune_result(self._spec, progress.report)
        return {
            **metrics,
            "done": progress.finished or progress.report is None,
            "progress": progress,
            "values": self.config["values"],
            "host": ray.get_runtime_context().get_node_id(),
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        if self._trial is not None:
            (Path(checkpoint_dir) / _CHECKPOINT).write_bytes(self._trial.checkpoint())

    def load_checkpoint(self, checkpoint_dir: Any) -> None:
        if self._trial is not None:
            self._trial.adopt((Path(checkpoint_dir) / _CHECKPOINT).read_bytes())

    def cleanup(self) -> None:
        if self._trial is not None:
            self._trial.close()

    def _begin(self, config: dict[str, Any]) -> None:
        objective = self._spec.objective
        order = TrialOrder(
            study_job=self._job_id,
            study_run_id=self._study_run_id,
            number=config["number"],
            run_id=config["run_id"],
            spec=self._spec.trial_spec(config["values"], config["seed"]),
            values=config["values"],
            reported=config["reported"],
            live_values=isinstance(self._spec.searcher, PopulationSpec),
            objective=objective if isinstance(objective, SuiteObjective) else None,
        )
        self._trial = None
        self._refusal = ""
        try:
            self._trial = self._start(order)
        except WorkRefused as refusal:
            self._refusal = str(refusal)

    def _start(self, order: TrialOrder) -> RunningTrial:
        runner = self._make_runner()
        data_dir = self._tools.data_dir
        return RunningTrial(
            order, self._registry, runner, data_dir, self._is_interrupted, self._agree
        )

    def _advance(self) -> Progress:
        if self._trial is None:
            return Progress(report=None, refusal=self._refusal)
        try:
            return self._trial.advance()
        except WorkRefused as refusal:
            return Progress(report=None, refusal=str(refusal))

    def _make_runner(self) -> Runner:
        n_workers = self._spec.resources.workers
        return RayRunner(max_workers=n_workers) if n_workers else InProcessRunner()

    def _is_interrupted(self) -> bool:
        is_look_due = time.monotonic() - self._last_look >= POLL_SECONDS
        if not self._is_stopping and is_look_due:
            self._is_stopping = bool(ray.get(self._desk.are_to_stop.remote()))
            self._last_look = time.monotonic()
        return self._is_stopping

    def _agree(self, found: Sequence[str]) -> str | None:
        shared: str | None = ray.get(self._desk.agree.remote(list(found)))
        return shared
