"""How long each update of a meta-training takes, told by its own recorder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from meta_trainer.recorder import Recorder
from meta_trainer.runners import Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import TaskSource
from meta_trainer.training import MetaTraining


class Laps(Recorder):
    """Wall time from the end of the first validation to the first update, and from update to update."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = 0.0

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if "meta_loss" in values:
            now = time.perf_counter()
            self.seconds.append(now - self._last)
            self._last = now

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "validation" and data["update"] == 0:
            self._last = time.perf_counter()

    def checkpoint(self, update: int, data: bytes) -> None:
        """Not kept."""

    def artifact(self, path: str, data: bytes) -> None:
        """Not kept."""


def laps(spec: MetaTrainingSpec, source: TaskSource, runner: Runner) -> list[float]:
    """Seconds of each update of a whole training."""
    recorder = Laps()
    MetaTraining(spec, source, runner, recorder).run()
    return recorder.seconds
