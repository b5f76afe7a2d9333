"""A registry in this process's memory: for tests, and the plainest reading of the contract."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hyperadam.names import check_alias, check_name
from hyperadam.theta import Theta

from registry import alias_log, checks
from registry.alias_log import names_of, targets
from registry.contract import (
    THETA_FOLDER,
    AliasChange,
    AliasNotFound,
    ArtifactInfo,
    ArtifactNotFound,
    Evaluation,
    MetricPoint,
    OptimizerNotFound,
    Registry,
    RegistryError,
    RunNotFound,
    RunStatus,
    Version,
    VersionNotFound,
    theta_path,
)


@dataclass
class _Run:
    status: RunStatus = "running"
    metrics: dict[str, dict[int, MetricPoint]] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)


@dataclass
class _Optimizer:
    versions: list[Version] = field(default_factory=list)
    """Version n is at n − 1; their `aliases` stay empty here."""
    files: list[bytes] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    changes: list[AliasChange] = field(default_factory=list)


class InMemoryRegistry(Registry):
    """Thread-safe; forgets everything with the process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[str, _Run] = {}
        self._run_ids: dict[str, str] = {}
        self._optimizers: dict[str, _Optimizer] = {}

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
            run_id = self._run_ids.setdefault(key, uuid.uuid4().hex)
            self._runs.setdefault(run_id, _Run())
            return run_id

    def close_run(self, run_id: str, status: RunStatus) -> None:
        with self._lock:
            self._run(run_id).status = status

    def delete_run(self, run_id: str) -> None:
        with self._lock:
            run = self._runs.get(run_id, _Run())
            run.artifacts = {
                path: data
                for path, data in run.artifacts.items()
                if path.startswith(f"{THETA_FOLDER}/")
            }
            if not run.artifacts:
                self._runs.pop(run_id, None)
                self._run_ids = {key: kept for key, kept in self._run_ids.items() if kept != run_id}

    def log_metrics(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        checks.check_points(points)
        with self._lock:
            run = self._run(run_id)
            for point in points:
                series = run.metrics.setdefault(point.name, {})
                kept = _to_milliseconds(point)
                if point.step not in series or series[point.step].time <= kept.time:
                    series[point.step] = kept

    def metric_names(self, run_id: str) -> list[str]:
        with self._lock:
            return sorted(self._run(run_id).metrics)

    def metrics(
        self, run_id: str, name: str, *, after_step: int = -1, limit: int | None = None
    ) -> list[MetricPoint]:
        with self._lock:
            series = self._run(run_id).metrics.get(name, {})
            return [series[step] for step in sorted(series) if step > after_step][:limit]

    def put_artifact(self, run_id: str, path: str, data: bytes) -> None:
        checks.check_artifact_path(path)
        with self._lock:
            artifacts = self._run(run_id).artifacts
            parents = {path[:i] for i, character in enumerate(path) if character == "/"}
            if parents & set(artifacts) or any(other.startswith(f"{path}/") for other in artifacts):
                raise RegistryError(
                    f"artifact {path!r} cannot be stored: a file would be in the place of a folder"
                )
            artifacts[path] = bytes(data)

    def get_artifact(self, run_id: str, path: str) -> bytes:
        checks.check_artifact_path(path)
        with self._lock:
            try:
                return self._run(run_id).artifacts[path]
            except KeyError:
                raise ArtifactNotFound(f"run {run_id} has no artifact {path!r}") from None

    def list_artifacts(self, run_id: str, folder: str = "") -> list[ArtifactInfo]:
        prefix = f"{checks.check_artifact_path(folder)}/" if folder else ""
        with self._lock:
            artifacts = self._run(run_id).artifacts
            paths = sorted(path for path in artifacts if path.startswith(prefix))
            return [ArtifactInfo(path=path, size_bytes=len(artifacts[path])) for path in paths]

    def delete_artifact(self, run_id: str, path: str) -> None:
        checks.check_artifact_path(path)
        with self._lock:
            self._run(run_id).artifacts.pop(path, None)

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
        kept_tags = checks.check_tags(tags)
        data = theta.to_bytes()
        manifest = Theta.from_bytes(data).manifest
        checks.manifest_text(theta)
        with self._lock:
            run = self._run(run_id) if run_id is not None else _Run()
            known = self._optimizers.get(optimizer, _Optimizer())
            if key in known.keys:
                return self._same_key(known, known.keys[key], theta.sha256, key)
            run.artifacts[theta_path(theta.sha256)] = data
            number = len(known.versions) + 1
            known.versions.append(
                Version(
                    optimizer=optimizer,
                    number=number,
                    sha256=theta.sha256,
                    size_bytes=len(data),
                    created_at=_now(),
                    run_id=run_id,
                    manifest=manifest,
                    tags=kept_tags,
                )
            )
            known.files.append(data)
            known.keys[key] = number
            self._optimizers[optimizer] = known
            return known.versions[-1]

    def optimizers(self) -> list[str]:
        with self._lock:
            return sorted(self._optimizers)

    def versions(self, optimizer: str) -> list[Version]:
        with self._lock:
            known = self._known(optimizer)
            return [
                self._with_aliases(known, number) for number in range(len(known.versions), 0, -1)
            ]

    def version(self, optimizer: str, ref: str) -> Version:
        check_name(ref, "version")
        with self._lock:
            known = self._known(optimizer)
            if ref == "latest":
                return self._with_aliases(known, len(known.versions))
            if ref.isdigit():
                return self._with_aliases(known, int(ref))
            number = targets(known.changes).get(ref)
            if number is None:
                raise AliasNotFound(f"optimizer {optimizer!r} has no alias {ref!r}")
            return self._with_aliases(known, number)

    def weights(self, optimizer: str, number: int) -> bytes:
        with self._lock:
            known = self._known(optimizer)
            return known.files[self._with_aliases(known, number).number - 1]

    def annotate(
        self,
        optimizer: str,
        number: int,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> Version:
        with self._lock:
            version = self._with_aliases(self._known(optimizer), number)
            kept = (
                version.description
                if description is None
                else checks.check_description(description)
            )
            return self._rewrite(
                replace(version, description=kept, tags=checks.changed_tags(version.tags, tags))
            )

    def attach_evaluation(self, optimizer: str, number: int, evaluation: Evaluation) -> Version:
        checks.summary_text(evaluation)
        kept = replace(evaluation, evaluated_at=_milliseconds(evaluation.evaluated_at))
        with self._lock:
            version = self._with_aliases(self._known(optimizer), number)
            others = [one for one in version.evaluations if one.key != evaluation.key]
            newest = sorted([*others, kept], key=checks.age)[-checks.MAX_EVALUATIONS :]
            return self._rewrite(replace(version, evaluations=tuple(newest)))

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
        check_alias(alias)
        with self._lock:
            known = self._known(optimizer)
            self._with_aliases(known, number)
            change = alias_log.moved(
                known.changes, alias, number, actor=actor, reason=reason, protected=protected
            )
            known.changes += [change] if change else []
            return self._with_aliases(known, number)

    def delete_alias(self, optimizer: str, alias: str, *, actor: str, reason: str = "") -> None:
        check_alias(alias)
        with self._lock:
            known = self._known(optimizer)
            known.changes.append(
                alias_log.deleted(known.changes, optimizer, alias, actor=actor, reason=reason)
            )

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
            known = self._known(optimizer)
            self._with_aliases(known, number)
            change = alias_log.promoted(
                known.changes, alias, number, expected=expected, actor=actor, reason=reason
            )
            known.changes += [change] if change else []
            return change is not None

    def alias_history(self, optimizer: str) -> list[AliasChange]:
        with self._lock:
            return list(self._known(optimizer).changes)

    def _run(self, run_id: str) -> _Run:
        if run_id not in self._runs:
            raise RunNotFound(f"no run has the id {run_id!r}")
        return self._runs[run_id]

    def _known(self, optimizer: str) -> _Optimizer:
        if check_name(optimizer, "optimizer") not in self._optimizers:
            raise OptimizerNotFound(f"no optimizer is named {optimizer!r}")
        return self._optimizers[optimizer]

    def _with_aliases(self, known: _Optimizer, number: int) -> Version:
        if not 1 <= number <= len(known.versions):
            raise VersionNotFound(
                f"optimizer {known.versions[0].optimizer!r} has no version {number}"
            )
        return replace(known.versions[number - 1], aliases=names_of(targets(known.changes), number))

    def _same_key(self, known: _Optimizer, number: int, sha256: str, key: str) -> Version:
        version = self._with_aliases(known, number)
        if version.sha256 != sha256:
            raise RegistryError(
                f"key {key!r} was used before for another Θ, {version.optimizer}@{number}"
            )
        return version

    def _rewrite(self, version: Version) -> Version:
        self._optimizers[version.optimizer].versions[version.number - 1] = replace(
            version, aliases=()
        )
        return version


def _now() -> datetime:
    return _milliseconds(datetime.now(UTC))


def _milliseconds(time: datetime) -> datetime:
    utc = time.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _to_milliseconds(point: MetricPoint) -> MetricPoint:
    return replace(point, value=float(point.value), time=_milliseconds(point.time))
