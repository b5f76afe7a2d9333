"""`MLflowRegistry`: the contract, put together from its parts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from hyperadam.names import check_alias
from hyperadam.theta import Theta

from registry import alias_log
from registry.contract import (
    THETA_FOLDER,
    AliasChange,
    ArtifactInfo,
    Evaluation,
    MetricPoint,
    Registry,
    RunNotFound,
    RunStatus,
    Version,
)
from registry.mlflow_backend import aliases
from registry.mlflow_backend.artifacts import Artifacts
from registry.mlflow_backend.connection import open_store
from registry.mlflow_backend.errors import translated
from registry.mlflow_backend.metrics import Metrics
from registry.mlflow_backend.notes import Notes
from registry.mlflow_backend.runs import Runs
from registry.mlflow_backend.versions import Versions

MAX_CACHED_BYTES: Final = 64 * 2**20


class MLflowRegistry(Registry):
    """A registry on SQLite, Postgres or an MLflow server; see `registry.connect` for the
    arguments."""

    def __init__(self, tracking_uri: str, artifact_location: str = "") -> None:
        self._store = open_store(tracking_uri, artifact_location)
        self._runs = Runs(self._store)
        self._metrics = Metrics(self._store)
        self._artifacts = Artifacts(self._store.client, self._runs)
        self._versions = Versions(self._store, self._runs, self._artifacts)
        self._notes = Notes(self._store, self._versions)
        self._cache = _BytesCache(MAX_CACHED_BYTES)

    def close(self) -> None:
        self._store.close()

    def open_run(
        self,
        key: str,
        *,
        name: str,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
    ) -> str:
        return self._runs.open(key, name=name, tags=tags, parent_run_id=parent_run_id)

    def close_run(self, run_id: str, status: RunStatus) -> None:
        self._runs.close(run_id, status)

    def delete_run(self, run_id: str) -> None:
        try:
            files = self._artifacts.files(run_id, "")
        except RunNotFound:
            return
        kept = [file for file in files if file.path.startswith(f"{THETA_FOLDER}/")]
        for file in files:
            if file not in kept:
                self._artifacts.delete(run_id, file.path)
        if not kept:
            self._runs.delete(run_id)

    def log_metrics(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        self._runs.artifact_uri(run_id)
        self._metrics.log(run_id, points)

    def metric_names(self, run_id: str) -> list[str]:
        return self._runs.metric_names(run_id)

    def metrics(
        self, run_id: str, name: str, *, after_step: int = -1, limit: int | None = None
    ) -> list[MetricPoint]:
        self._runs.artifact_uri(run_id)
        return self._metrics.read(run_id, name, after_step, limit)

    def put_artifact(self, run_id: str, path: str, data: bytes) -> None:
        self._artifacts.put(run_id, path, data)

    def get_artifact(self, run_id: str, path: str) -> bytes:
        return self._artifacts.get(run_id, path)

    def list_artifacts(self, run_id: str, folder: str = "") -> list[ArtifactInfo]:
        return self._artifacts.files(run_id, folder)

    def delete_artifact(self, run_id: str, path: str) -> None:
        self._artifacts.delete(run_id, path)

    def create_version(
        self,
        optimizer: str,
        theta: Theta,
        *,
        key: str,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Version:
        return self._versions.create(optimizer, theta, key, run_id, tags)

    def optimizers(self) -> list[str]:
        return self._versions.optimizers()

    def versions(self, optimizer: str) -> list[Version]:
        return self._versions.all(optimizer)

    def version(self, optimizer: str, ref: str) -> Version:
        return self._versions.by_ref(optimizer, ref)

    def weights(self, optimizer: str, number: int) -> bytes:
        data = self._cache.get((optimizer, number))
        if data is None:
            data = self._versions.weights(optimizer, number)
            self._cache.put((optimizer, number), data)
        return data

    def annotate(
        self,
        optimizer: str,
        number: int,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> Version:
        return self._notes.annotate(optimizer, number, description, tags)

    def attach_evaluation(self, optimizer: str, number: int, evaluation: Evaluation) -> Version:
        return self._notes.attach(optimizer, number, evaluation)

    def set_alias(
        self,
        optimizer: str,
        alias: str,
        number: int,
        *,
        actor: str,
        reason: str = "",
        protected: bool | None = None,
    ) -> Version:
        wish = partial(
            alias_log.moved,
            alias=alias,
            number=number,
            actor=actor,
            reason=reason,
            protected=protected,
        )
        self._change_alias(optimizer, alias, number, wish)
        return self._versions.by_ref(optimizer, str(number))

    def delete_alias(self, optimizer: str, alias: str, *, actor: str, reason: str = "") -> None:
        wish = partial(
            alias_log.deleted, optimizer=optimizer, alias=alias, actor=actor, reason=reason
        )
        self._change_alias(optimizer, alias, None, wish)

    def promote(
        self,
        optimizer: str,
        alias: str,
        number: int,
        *,
        expected: int | None,
        actor: str,
        reason: str = "",
    ) -> bool:
        rule = partial(
            alias_log.promoted,
            alias=alias,
            number=number,
            expected=expected,
            actor=actor,
            reason=reason,
        )
        return self._change_alias(optimizer, alias, number, rule)

    def _change_alias(
        self,
        optimizer: str,
        alias: str,
        number: int | None,
        wish: Callable[[list[AliasChange]], AliasChange | None],
    ) -> bool:
        """Append what `wish` makes of the log, if anything; the version, or any of the optimizer,
        must exist."""
        check_alias(alias)
        self._versions.by_ref(optimizer, "latest" if number is None else str(number))
        with translated(), self._store.locks.hold(optimizer):
            log = self._versions.alias_log(optimizer)
            change = wish(log)
            if change is not None:
                aliases.append(self._store.client, optimizer, log, change)
            return change is not None

    def alias_history(self, optimizer: str) -> list[AliasChange]:
        self._versions.by_ref(optimizer, "latest")
        return self._versions.alias_log(optimizer)


class _BytesCache:
    """The most recently used values up to a total size. Versions are immutable, so nothing here
    goes stale."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._values: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, int]) -> bytes | None:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: tuple[str, int], value: bytes) -> None:
        with self._lock:
            self._bytes += len(value) - len(self._values.pop(key, b""))
            self._values[key] = value
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._values.popitem(last=False)[1])
