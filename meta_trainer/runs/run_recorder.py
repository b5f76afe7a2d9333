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
_FLUSH_SECONDS: Final = 1.0


class RunRecorder(Recorder):
    """Writes what docs/architecture.md says a driver leaves in its run. Single-threaded, like the
    driver."""

    def __init__(self, registry: Registry, run_id: str, attempt: int) -> None:
        self._registry, self._run_id, self._attempt = registry, run_id, attempt
        self._points: list[MetricPoint] = []
        self._events: list[str] = []
        self._n_event_files = 0
        self._last_flush = time.monotonic()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        now = datetime.now(UTC)
        self._points += [
            MetricPoint(name=name, value=value, step=step, time=now)
            for name, value in values.items()
        ]
        self._flush_now_and_then()

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        line = {"type": kind, "time": datetime.now(UTC).isoformat(), "data": dict(data)}
        self._events.append(json.dumps(line, allow_nan=False))
        self._flush_now_and_then()

    def event_at_once(self, kind: str, data: Mapping[str, Any]) -> None:
        """An event that a follower is to see at once: nothing else may happen for long."""
        self.event(kind, data)
        self.flush()

    def checkpoint(self, update: int, data: bytes) -> None:
        self.flush()  # an attempt that goes on from here tells nothing of what was before
        self._registry.put_artifact(
            self._run_id, f"{CHECKPOINT_FOLDER}/{update:08d}.safetensors", data
        )
        for info in self._registry.list_artifacts(self._run_id, CHECKPOINT_FOLDER)[
            :-N_CHECKPOINTS_KEPT
        ]:
            self._registry.delete_artifact(self._run_id, info.path)

    def artifact(self, path: str, data: bytes) -> None:
        self._registry.put_artifact(self._run_id, path, data)

    def flush(self) -> None:
        self._last_flush = time.monotonic()
        if self._points:
            self._registry.log_metrics(self._run_id, self._points)
            self._points = []
        if self._events:
            path = f"events/{self._attempt:04d}-{self._n_event_files:06d}.jsonl"
            self._registry.put_artifact(
                self._run_id, path, "".join(f"{line}\n" for line in self._events).encode()
            )
            self._n_event_files += 1
            self._events = []

    def done(self, record: Mapping[str, Any]) -> None:
        """The attempt's last word; everything else is made durable first."""
        self.flush()
        data = json.dumps({**record, "time": datetime.now(UTC).isoformat()}, allow_nan=False)
        self._registry.put_artifact(
            self._run_id, f"attempts/{self._attempt:04d}/done.json", data.encode()
        )

    def restore_newest(self, restore: Callable[[bytes], None]) -> str | None:
        """Give the newest undamaged checkpoint's bytes to `restore`: of the last ones, or else that
        of the best Θ.

        Returns:
            Its path, or None if there is none.
        """
        newest_first = reversed(self._registry.list_artifacts(self._run_id, CHECKPOINT_FOLDER))
        for path in [*(info.path for info in newest_first), BEST_CHECKPOINT]:
            try:
                restore(self._registry.get_artifact(self._run_id, path))
            except ArtifactNotFound:  # the best one, before there is any
                continue
            except CheckpointError as error:
                self.event("checkpoint.damaged", {"path": path, "message": str(error)})
                continue
            return path
        return None

    def _flush_now_and_then(self) -> None:
        if time.monotonic() - self._last_flush >= _FLUSH_SECONDS:
            self.flush()
