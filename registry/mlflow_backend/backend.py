"""`MLflowRegistry`: the contract, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from hyperadam.names import check_alias
from hyperadam.theta import Theta

from registry import alias_log
from registry.contract import Registry
from registry.errors import RunNotFound
from registry.mlflow_backend import aliases
from registry.mlflow_backend.artifacts import Artifacts
from registry.mlflow_backend.bytes_cache import BytesCache
from registry.mlflow_backend.connection import open_store
from registry.mlflow_backend.errors import translate_errors
from registry.mlflow_backend.metrics import Metrics
from registry.mlflow_backend.models import Models
from registry.mlflow_backend.notes import Notes
from registry.mlflow_backend.removals import Removals
from registry.mlflow_backend.runs import Runs
from registry.mlflow_backend.versions import Versions
from registry.records import (
    THETA_FOLDER,
    AliasChange,
    ArtifactInfo,
    Evaluation,
    MetricPoint,
    RunStatus,
    Version,
    VersionChange,
)
from registry.version_log import check_not_archived

MAX_CACHED_BYTES: Final = 64 * 2**20
OBJECT_SECONDS: Final = 5.0
"""An object store counts, and charges, each object that is put."""


class MLflowRegistry(Registry):
    """A registry on SQLite, Postgres or an MLflow server; arguments as of `registry.connect`."""

    def __init__(self, tracking_uri: str, artifact_location: str = "") -> None:
        self._store = open_store(tracking_uri, artifact_location)
        self._runs = Runs(self._store)
        self._metrics = Metrics(self._store)
        self._artifacts = Artifacts(self._store, self._runs)
        self._models = Models(self._store)
        self._versions = Versions(self._store, self._models, self._runs, self._artifacts)
        self._removals = Removals(
            self._store, self._models, self._versions, self._artifacts, self._runs, self.delete_run
        )
        self._notes = Notes(self._store, self._versions)
        self._cache = BytesCache(MAX_CACHED_BYTES)

    def close(self) -> None:
        self._store.close()

    def identity(self) -> str:
        return self._store.identity

    def check_files(self) -> None:
        self._artifacts.check()

    @property
    def gather_seconds(self) -> float:
        return OBJECT_SECONDS if self._artifacts.are_objects else super().gather_seconds

    def open_run(
        self,
        key: str,
        *,
        name: str,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
    ) -> str:
        return self._runs.open(key, name=name, tags=tags, parent_run_id=parent_run_id)

    def find_run(self, key: str) -> str | None:
        return self._runs.find(key)

    def close_run(self, run_id: str, status: RunStatus) -> None:
        self._runs.close(run_id, status)

    def delete_run(self, run_id: str) -> None:
        try:
            files = self._artifacts.list_files(run_id, "")
        except RunNotFound:
            return

        has_versions = False
        for file in files:
            if file.path.startswith(f"{THETA_FOLDER}/"):
                has_versions = True
            else:
                self._artifacts.delete(run_id, file.path)
        self._artifacts.remove_folders(run_id, with_files=not has_versions)
        if has_versions:
            self._metrics.delete(run_id)
            self._runs.mark_left(run_id)
        else:
            self._runs.delete(run_id)

    def log_metrics(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        self._runs.artifact_uri(run_id)
        self._metrics.log(run_id, points)

    def metric_names(self, run_id: str) -> list[str]:
        return self._runs.metric_names(run_id)

    def metrics(
        self,
        run_id: str,
        name: str,
        *,
        after_step: int = -1,
        limit: int | None = None,
    ) -> list[MetricPoint]:
        self._runs.artifact_uri(run_id)
        return self._metrics.read(run_id, name, after_step, limit)

    def put_artifact(self, run_id: str, path: str, data: bytes) -> None:
        self._artifacts.put(run_id, path, data)

    def get_artifact(self, run_id: str, path: str) -> bytes:
        return self._artifacts.get(run_id, path)

    def list_artifacts(self, run_id: str, folder: str = "") -> list[ArtifactInfo]:
        return self._artifacts.list_files(run_id, folder)

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

    def optimizers(self, *, unlisted: bool = False) -> list[str]:
        return self._versions.list_optimizers(unlisted=unlisted)

    def versions(self, optimizer: str) -> list[Version]:
        return self._versions.newest_first(optimizer)

    def version(self, optimizer: str, ref: str) -> Version:
        return self._versions.by_ref(optimizer, ref)

    def weights(self, optimizer: str, number: int) -> bytes:
        data = self._cache.get((optimizer, number))
        if data is None:
            data = self._versions.read_weights(optimizer, number)
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

    def sign_version(self, optimizer: str, number: int, signature: str) -> Version:
        return self._notes.sign(optimizer, number, signature)

    def archive_version(
        self, optimizer: str, number: int, *, actor: str, reason: str = ""
    ) -> Version:
        self._removals.change(optimizer, number, "archived", actor, reason)
        return self._versions.by_ref(optimizer, str(number))

    def restore_version(
        self, optimizer: str, number: int, *, actor: str, reason: str = ""
    ) -> Version:
        self._removals.change(optimizer, number, "restored", actor, reason)
        return self._versions.by_ref(optimizer, str(number))

    def delete_version(self, optimizer: str, number: int, *, actor: str, reason: str = "") -> None:
        self._removals.delete(optimizer, number, actor, reason)
        self._cache.drop((optimizer, number))

    def version_history(self, optimizer: str) -> list[VersionChange]:
        return self._models.read_version_log(optimizer)

    def set_alias(
        self,
        optimizer: str,
        alias: str,
        number: int,
        *,
        actor: str,
        reason: str = "",
        protected: bool | None = None,
        rule: Mapping[str, Any] | None = None,
    ) -> Version:
        plan = partial(
            alias_log.plan_move,
            alias=alias,
            number=number,
            actor=actor,
            reason=reason,
            protected=protected,
            rule=rule,
        )
        self._change_alias(optimizer, alias, number, plan)
        return self._versions.by_ref(optimizer, str(number))

    def delete_alias(self, optimizer: str, alias: str, *, actor: str, reason: str = "") -> None:
        plan = partial(
            alias_log.plan_deletion,
            optimizer=optimizer,
            alias=alias,
            actor=actor,
            reason=reason,
        )
        self._change_alias(optimizer, alias, None, plan)

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
        plan = partial(
            alias_log.plan_promotion,
            alias=alias,
            number=number,
            expected=expected,
            actor=actor,
            reason=reason,
        )
        return self._change_alias(optimizer, alias, number, plan)

    def _change_alias(
        self,
        optimizer: str,
        alias: str,
        number: int | None,
        plan: Callable[[list[AliasChange]], AliasChange | None],
    ) -> bool:
        """Append the change that `plan` makes of the log, if any; whether there is one.

        The version must exist, or where none is named, any version of the optimizer.
        """
        check_alias(alias)
        self._versions.check_any(optimizer)
        with translate_errors(), self._store.locks.hold(optimizer):
            if number is not None:
                check_not_archived(self._versions.by_ref(optimizer, str(number)))
            log = self._models.read_alias_log(optimizer)
            change = plan(log)
            if change is not None:
                aliases.append(self._store.client, optimizer, log, change)
            return change is not None

    def alias_history(self, optimizer: str) -> list[AliasChange]:
        self._versions.check_any(optimizer)
        return self._models.read_alias_log(optimizer)
