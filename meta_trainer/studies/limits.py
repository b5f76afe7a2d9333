"""How far a study may go: by its spec, and by what people changed while it runs."""

from __future__ import annotations

import time
from typing import Any, Final

from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import PopulationSpec
from meta_trainer.studies.control import Control
from registry import Registry

LOOK_SECONDS: Final = 1.0
"""Time between two looks at what people ask for."""


class StudyLimits:
    """How many trials a study has, and how many of them run side by side."""

    def __init__(self, spec: StudySpec, registry: Registry, run_id: str) -> None:
        self._spec = spec
        self._registry = registry
        self._run_id = run_id
        self._control = Control.load(registry, run_id)
        self._last_look = time.monotonic()

    @property
    def max_trials(self) -> int:
        """Trials in all, as far as is known."""
        searcher = self._spec.searcher
        if isinstance(searcher, PopulationSpec):
            return searcher.population
        limit = self._control.trials or self._spec.limits.trials
        if searcher.kind == "grid":
            n_grid_trials = self._spec.n_grid_points * len(self._spec.all_seeds)
            return min(limit, n_grid_trials)
        return limit

    @property
    def max_parallel_trials(self) -> int:
        return self._control.parallel_trials or self._spec.limits.parallel_trials

    @property
    def stopping(self) -> bool:
        """Whether no further trial is to begin."""
        return self._control.stopping

    @property
    def is_look_due(self) -> bool:
        return time.monotonic() - self._last_look >= LOOK_SECONDS

    def look(self) -> bool:
        """Read what people ask for; returns whether that has changed."""
        earlier_control = self._control
        self._control = Control.load(self._registry, self._run_id)
        self._last_look = time.monotonic()
        return self._control != earlier_control

    def to_json(self) -> dict[str, Any]:
        """What the event `study.changed` says."""
        return {
            "trials": self.max_trials,
            "parallel_trials": self.max_parallel_trials,
            "stopping": self.stopping,
        }
