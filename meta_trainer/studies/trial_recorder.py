"""The recorder of a trial: that of any run, which also remembers what the trial reports next."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from meta_trainer.runs.run_recorder import RunRecorder
from registry import Registry


class TrialRecorder(RunRecorder):
    """Notes the newest validation, and the newest checkpoint."""

    def __init__(self, registry: Registry, run_id: str) -> None:
        super().__init__(registry, run_id, _find_next_attempt(registry, run_id))
        self.has_validated = False
        """Since somebody last set this to False."""
        self.validation_loss = math.inf
        self.newest_checkpoint = b""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        super().metrics(step, values)
        if "validation_loss" in values and step:
            self.has_validated = True
            self.validation_loss = values["validation_loss"]

    def checkpoint(self, update: int, data: bytes) -> None:
        """After the metrics that belong to it: those of a lost report are looked up there."""
        self.flush()
        super().checkpoint(update, data)
        self.newest_checkpoint = data


def _find_next_attempt(registry: Registry, run_id: str) -> int:
    """One more than that of the newest events: a trial that begins again keeps what it told
    before."""
    newest_attempt = 0
    for file in registry.list_artifacts(run_id, "events"):
        match = re.search(r"(\d+)-\d+\.jsonl$", file.path)
        if match:
            newest_attempt = max(newest_attempt, int(match[1]))
    return newest_attempt + 1
