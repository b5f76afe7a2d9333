"""The recorder of real jobs: everything goes into the job's run in the registry, in batches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from meta_trainer.recorder import Recorder
from meta_trainer.training.checkpoints import BEST_CHECKPOINT, CheckpointError
from registry import ArtifactNotFound, MetricPoint, Registry

CHECKPOINT_FOLDER: Final = "checkpoints"
N_CHECKPOINTS_KEPT: Final = 3


class RunRecorder(Recorder):
    """Writes what docs/runs.md says a driver leaves in its run. Single-threaded, like the
    driver."""

    def __init__(self, registry: Registry, run_id: str, attempt: int) -> None:
        self._registry = registry
        self._run_id = run_id
        self.attempt: Final = attempt
        self._points: list[MetricPoint] = []
        self._event_lines: list[str] = []
        self._n_event_files = 0
        self._last_flush = time.monotonic()
        self._gather_seconds = registry.gather_seconds

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        now = datetime.now(UTC)
        self._points += [
            MetricPoint(name=name, value=value, step=step, time=now)
            for name, value in values.items()
        ]
        self._flush_if_due()

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        event = {"type": kind, "time": datetime.now(UTC).isoformat(), "data": dict(data)}
        self._event_lines.append(json.dumps(event, allow_nan=False) + "\n")
        self._flush_if_due()

    def event_at_once(self, kind: str, data: Mapping[str, Any]) -> None:
        """An event that a follower is to see at once: nothing else may happen for long."""
        self.event(kind, data)
        self.flush()

    def checkpoint(self, update: int, data: bytes) -> None:
        self.flush()  # an attempt that goes on from here tells nothing of what was before
        path = f"{CHECKPOINT_FOLDER}/{update:08d}.safetensors"
        self._registry.put_artifact(self._run_id, path, data)
        checkpoints = self._registry.list_artifacts(self._run_id, CHECKPOINT_FOLDER)
        for checkpoint in checkpoints[:-N_CHECKPOINTS_KEPT]:
            self._registry.delete_artifact(self._run_id, checkpoint.path)

    def artifact(self, path: str, data: bytes) -> None:
        self._registry.put_artifact(self._run_id, path, data)

    def flush(self) -> None:
        self._last_flush = time.monotonic()
        if self._points:
            self._registry.log_metrics(self._run_id, self._points)
            self._points = []
        if self._event_lines:
            path = f"events/{self.attempt:04d}-{self._n_event_files:06d}.jsonl"
            content = "".join(self._event_lines).encode()
            self._registry.put_artifact(self._run_id, path, content)
            self._n_event_files += 1
            self._event_lines = []

    def done(self, record: Mapping[str, Any]) -> None:
        """The attempt's last word; everything else is made durable first."""
        self.flush()
        path = f"attempts/{self.attempt:04d}/done.json"
        dated_record = {**record, "time": datetime.now(UTC).isoformat()}
        content = json.dumps(dated_record, allow_nan=False).encode()
        self._registry.put_artifact(self._run_id, path, content)

    def restore_newest(self, restore: Callable[[bytes], None]) -> str | None:
        """Give the newest undamaged checkpoint's bytes to `restore`: of the last ones, or else that
        of the best Θ.

        Returns:
            Its path, or None if there is none.
        """
        checkpoints = self._registry.list_artifacts(self._run_id, CHECKPOINT_FOLDER)
        newest_first = [checkpoint.path for checkpoint in reversed(checkpoints)]
        for path in [*newest_first, BEST_CHECKPOINT]:
            try:
                restore(self._registry.get_artifact(self._run_id, path))
            except ArtifactNotFound:  # the best one, before there is any
                continue
            except CheckpointError as error:
                self.event("checkpoint.damaged", {"path": path, "message": str(error)})
                continue
            return path
        return None

    def _flush_if_due(self) -> None:
        if time.monotonic() - self._last_flush >= self._gather_seconds:
            self.flush()
