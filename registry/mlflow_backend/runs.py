"""Runs: found by the key that their opener chose, which lies in a tag."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from mlflow.entities import ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from registry import checks
from registry.errors import RegistryError, RunNotFound
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translate_errors
from registry.records import RunStatus

KEY_TAG: Final = "hyperadam.key"
LEFT_TAG: Final = "hyperadam.left"
"""Of a run that was deleted but for the files of its versions."""

_MLFLOW_STATUS: Final[dict[RunStatus, str]] = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
}
_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")


class Runs:
    """Opening, closing and finding runs of our experiment; other MLflow runs do not exist here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._location = lru_cache(maxsize=4096)(self._read_location)

    def open(
        self,
        key: str,
        *,
        name: str,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
    ) -> str:
        checks.check_key(key)
        checks.check_text(name, "name", max_chars=checks.MAX_RUN_NAME_CHARS)
        all_tags = {**checks.check_tags(tags), KEY_TAG: key}
        if parent_run_id is not None:
            self.artifact_uri(parent_run_id)
            all_tags[MLFLOW_PARENT_RUN_ID] = parent_run_id

        run_id = self.find(key)
        if run_id is not None:
            return run_id

        with translate_errors(), self._store.locks.hold("runs"):
            run_id = self.find(key)
            if run_id is not None:
                return run_id
            run = self._store.client.create_run(
                self._store.experiment_id, tags=all_tags, run_name=name or None
            )
            return str(run.info.run_id)

    def close(self, run_id: str, status: RunStatus) -> None:
        if status not in _MLFLOW_STATUS:
            raise ValueError(f"status must be one of {', '.join(_MLFLOW_STATUS)}, got {status!r}")
        self.artifact_uri(run_id)
        with translate_errors(_not_found(run_id)):
            if status == "running":
                self._store.client.update_run(run_id, status="RUNNING")
            else:
                self._store.client.set_terminated(run_id, status=_MLFLOW_STATUS[status])

    def delete(self, run_id: str) -> None:
        """For good, as `mlflow gc` does it; behind an MLflow server only marked as deleted, and
        gone with the next `mlflow gc` there."""
        with translate_errors(_not_found(run_id)):
            self._store.client.delete_run(run_id)
            if self._store.engine is not None:
                tracking: Any = self._store.client._tracking_client.store
                tracking._hard_delete_run(run_id)
        self._location.cache_clear()

    def mark_left(self, run_id: str) -> None:
        """Note that only the files of versions are left of the run."""
        with translate_errors(_not_found(run_id)):
            self._store.client.set_tag(run_id, LEFT_TAG, "true")

    def is_left(self, run_id: str) -> bool:
        """Whether only the files of versions were left of the run."""
        with translate_errors(_not_found(run_id)):
            return LEFT_TAG in self._store.client.get_run(run_id).data.tags

    def artifact_uri(self, run_id: str) -> str:
        """Where the run's artifacts lie; never changes, hence remembered. Raises RunNotFound."""
        return self._location(run_id)

    def metric_names(self, run_id: str) -> list[str]:
        self.artifact_uri(run_id)
        with translate_errors(_not_found(run_id)):
            data = self._store.client.get_run(run_id).data
        return [] if LEFT_TAG in data.tags else sorted(data.metrics)

    def find(self, key: str) -> str | None:
        """The id of the run with this key."""
        checks.check_key(key)
        with translate_errors():
            runs = self._store.client.search_runs(
                [self._store.experiment_id],
                f"tags.`{KEY_TAG}` = '{key}'",
                ViewType.ACTIVE_ONLY,
                max_results=2,
            )
        if not runs:
            return None
        if len(runs) > 1:
            raise RegistryError(f"two runs have the key {key!r}: delete one of them in MLflow")
        return str(runs[0].info.run_id)

    def _read_location(self, run_id: str) -> str:
        if not _RUN_ID.fullmatch(run_id):
            raise _not_found(run_id)
        with translate_errors(_not_found(run_id)):
            info = self._store.client.get_run(run_id).info
        is_ours = info.experiment_id == self._store.experiment_id
        if not is_ours or info.lifecycle_stage != "active":
            raise _not_found(run_id)
        return self._store.place.find(str(info.artifact_uri))


def _not_found(run_id: str) -> RunNotFound:
    return RunNotFound(f"no run has the id {run_id!r}")
