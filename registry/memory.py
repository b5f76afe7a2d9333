"""A registry in this process's memory: for tests, and the plainest reading of the contract."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from hyperadam.names import check_alias, check_name
from hyperadam.theta import Theta

from registry import alias_log, checks
from registry.contract import Registry
from registry.errors import OptimizerNotFound, RunNotFound
from registry.memory_runs import MemoryRun
from registry.memory_versions import MemoryVersions
from registry.records import (
    AliasChange,
    ArtifactInfo,
    Evaluation,
    MetricPoint,
    RunStatus,
    Version,
    VersionChange,
    theta_path,
)
from registry.version_log import check_not_archived


class InMemoryRegistry(Registry):
    """Thread-safe; forgets everything with the process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[str, MemoryRun] = {}
        self._run_ids_by_key: dict[str, str] = {}
        self._optimizers: dict[str, MemoryVersions] = {}
        self._identity = uuid.uuid4().hex

    def identity(self) -> str:
        return self._identity

    def open_run(
        self,
        key: str,
        *,
        name: str,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
    ) -> str:
        checks.check_key(key)
        checks.check_text(name, "name", max_chars=checks.MAX_RUN_NAME_CHARS)
        checks.check_tags(tags)
        with self._lock:
            if parent_run_id is not None:
                self._run(parent_run_id)
            run_id = self._run_ids_by_key.setdefault(key, uuid.uuid4().hex)
            self._runs.setdefault(run_id, MemoryRun(run_id))
            return run_id

    def find_run(self, key: str) -> str | None:
        checks.check_key(key)
        with self._lock:
            return self._run_ids_by_key.get(key)

    def close_run(self, run_id: str, status: RunStatus) -> None:
        with self._lock:
            self._run(run_id).status = status

    def delete_run(self, run_id: str) -> None:
        with self._lock:
            run = self._runs.get(run_id)
            if run is None or run.keep_only_versions():
                return
            del self._runs[run_id]
            for key, other_id in list(self._run_ids_by_key.items()):
                if other_id == run_id:
                    del self._run_ids_by_key[key]

    def log_metrics(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        checks.check_points(points)
        with self._lock:
            self._run(run_id).log(points)

    def metric_names(self, run_id: str) -> list[str]:
        with self._lock:
            return self._run(run_id).metric_names()

    def metrics(
        self,
        run_id: str,
        name: str,
        *,
        after_step: int = -1,
        limit: int | None = None,
    ) -> list[MetricPoint]:
        with self._lock:
            return self._run(run_id).metrics(name, after_step, limit)

    def put_artifact(self, run_id: str, path: str, data: bytes) -> None:
        checks.check_artifact_path(path)
        with self._lock:
            self._run(run_id).put(path, data)

    def get_artifact(self, run_id: str, path: str) -> bytes:
        checks.check_artifact_path(path)
        with self._lock:
            return self._run(run_id).get(path)

    def list_artifacts(self, run_id: str, folder: str = "") -> list[ArtifactInfo]:
        if folder:
            checks.check_artifact_path(folder)
        with self._lock:
            return self._run(run_id).list_artifacts(folder)

    def delete_artifact(self, run_id: str, path: str) -> None:
        checks.check_artifact_path(path)
        with self._lock:
            self._run(run_id).delete(path)

    def create_version(
        self,
        optimizer: str,
        theta: Theta,
        *,
        key: str,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Version:
        check_name(optimizer, "optimizer")
        checks.check_key(key)
        checked_tags = checks.check_tags(tags)
        data = theta.to_bytes()
        manifest = Theta.from_bytes(data).manifest
        checks.encode_manifest(theta)

        with self._lock:
            run = None if run_id is None else self._run(run_id)
            versions = self._optimizers.get(optimizer, MemoryVersions(optimizer))
            existing = versions.by_key(key, theta.sha256)
            if existing is not None:
                return existing

            if run is not None:
                run.put(theta_path(theta.sha256), data)
            self._optimizers[optimizer] = versions
            return versions.append(data, manifest, key, theta.sha256, run_id, checked_tags)

    def optimizers(self, *, unlisted: bool = False) -> list[str]:
        with self._lock:
            optimizers = self._optimizers.items()
            return sorted(name for name, known in optimizers if unlisted or known.is_listed())

    def versions(self, optimizer: str) -> list[Version]:
        with self._lock:
            return self._versions(optimizer).newest_first()

    def version(self, optimizer: str, ref: str) -> Version:
        check_name(ref, "version")
        with self._lock:
            return self._versions(optimizer).by_ref(ref)

    def weights(self, optimizer: str, number: int) -> bytes:
        with self._lock:
            return self._versions(optimizer).file(number)

    def annotate(
        self,
        optimizer: str,
        number: int,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> Version:
        with self._lock:
            return self._versions(optimizer).annotate(number, description, tags)

    def attach_evaluation(self, optimizer: str, number: int, evaluation: Evaluation) -> Version:
        checks.encode_summary(evaluation)
        with self._lock:
            return self._versions(optimizer).attach(number, evaluation)

    def sign_version(self, optimizer: str, number: int, signature: str) -> Version:
        checks.check_signature(signature)
        with self._lock:
            return self._versions(optimizer).sign(number, signature)

    def archive_version(
        self, optimizer: str, number: int, *, actor: str, reason: str = ""
    ) -> Version:
        with self._lock:
            return self._versions(optimizer).change(number, "archived", actor, reason)

    def restore_version(
        self, optimizer: str, number: int, *, actor: str, reason: str = ""
    ) -> Version:
        with self._lock:
            return self._versions(optimizer).change(number, "restored", actor, reason)

    def delete_version(self, optimizer: str, number: int, *, actor: str, reason: str = "") -> None:
        with self._lock:
            version = self._versions(optimizer).delete(number, actor, reason)
            file = (version.run_id, version.sha256)
            others = (known.newest_first() for known in self._optimizers.values())
            is_shared = any((v.run_id, v.sha256) == file for some in others for v in some)
            if version.run_id in self._runs and not is_shared:
                run = self._runs[version.run_id]
                run.delete(theta_path(version.sha256))
                if run.is_left:
                    self.delete_run(run.run_id)

    def version_history(self, optimizer: str) -> list[VersionChange]:
        with self._lock:
            return list(self._known(optimizer).version_changes)

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
        check_alias(alias)
        with self._lock:
            versions = self._versions(optimizer)
            check_not_archived(versions.by_number(number))
            log = versions.alias_changes
            change = alias_log.plan_move(
                log, alias, number, actor=actor, reason=reason, protected=protected, rule=rule
            )
            if change is not None:
                log.append(change)
            return versions.by_number(number)

    def delete_alias(self, optimizer: str, alias: str, *, actor: str, reason: str = "") -> None:
        check_alias(alias)
        with self._lock:
            log = self._versions(optimizer).alias_changes
            change = alias_log.plan_deletion(log, optimizer, alias, actor=actor, reason=reason)
            log.append(change)

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
        check_alias(alias)
        with self._lock:
            versions = self._versions(optimizer)
            check_not_archived(versions.by_number(number))
            log = versions.alias_changes
            change = alias_log.plan_promotion(
                log, alias, number, expected=expected, actor=actor, reason=reason
            )
            if change is not None:
                log.append(change)
            return change is not None

    def alias_history(self, optimizer: str) -> list[AliasChange]:
        with self._lock:
            return list(self._versions(optimizer).alias_changes)

    def _run(self, run_id: str) -> MemoryRun:
        if run_id not in self._runs:
            raise RunNotFound(f"no run has the id {run_id!r}")
        return self._runs[run_id]

    def _versions(self, optimizer: str) -> MemoryVersions:
        known = self._known(optimizer)
        if not known.newest_first():
            raise OptimizerNotFound.named(optimizer)
        return known

    def _known(self, optimizer: str) -> MemoryVersions:
        """The same, where its versions may all be deleted."""
        if check_name(optimizer, "optimizer") not in self._optimizers:
            raise OptimizerNotFound.named(optimizer)
        return self._optimizers[optimizer]
