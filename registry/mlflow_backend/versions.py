"""Versions: each is a registered model version whose tags say all that the contract asks, and a Θ
file in a run.

The file's place follows from its digest, never from MLflow's `source`, which anyone with access to
MLflow may set to anything. It is written before the version exists; a version without our tags was
not made here and does not exist here. An uploaded Θ gets a run of its own, so that its file has a
home.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from hyperadam.names import check_name
from hyperadam.theta import Theta
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelTag
from sqlalchemy import select

from registry import checks
from registry.alias_log import names_of, targets
from registry.contract import (
    AliasChange,
    AliasNotFound,
    ArtifactNotFound,
    Evaluation,
    OptimizerNotFound,
    RegistryError,
    Version,
    VersionNotFound,
    theta_path,
)
from registry.mlflow_backend.aliases import read_log
from registry.mlflow_backend.artifacts import Artifacts
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translated
from registry.mlflow_backend.runs import KEY_TAG, Runs

OPTIMIZER_TAG: Final = "hyperadam.optimizer"
"""On registered models: here are versions of ours."""
SHA256_TAG: Final = "hyperadam.sha256"
SIZE_TAG: Final = "hyperadam.size_bytes"
MANIFEST_TAG: Final = "hyperadam.manifest"
RUN_TAG: Final = "hyperadam.run_id"
EVALUATION_PREFIX: Final = "hyperadam.evaluation."
"""Of tags with an evaluation's summary; the rest of their names is its key."""
MAX_NUMBER: Final = 2**31 - 1
"""MLflow's column for version numbers holds no more."""

_PAGE: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Versions:
    """Numbered, immutable Θ files under optimizers' names."""

    def __init__(self, store: Store, runs: Runs, artifacts: Artifacts) -> None:
        self._store = store
        self._runs = runs
        self._artifacts = artifacts
        self._place = lru_cache(maxsize=1024)(self._read_place)

    def create(
        self,
        optimizer: str,
        theta: Theta,
        key: str,
        run_id: str | None,
        tags: Mapping[str, str] | None,
    ) -> Version:
        check_name(optimizer, "optimizer")
        checks.check_key(key)
        data = theta.to_bytes()
        all_tags = {
            **checks.check_tags(tags),
            **_own_tags(Theta.from_bytes(data), len(data), key, run_id),
        }
        if run_id is not None:
            self._runs.artifact_uri(run_id)
        existing = self._find(optimizer, key, theta.sha256)
        if existing is not None:
            return existing
        home = run_id or self._runs.open(
            f"upload:{optimizer}:{_digest(key)}", name=f"upload of {optimizer}"
        )
        self._artifacts.put(home, theta_path(theta.sha256), data)
        with translated(), self._store.locks.hold(optimizer):
            self._ensure_model(optimizer)
            return self._find(optimizer, key, theta.sha256) or self._register(
                optimizer, home, all_tags
            )

    def optimizers(self) -> list[str]:
        with translated():
            ours = f"tags.`{OPTIMIZER_TAG}` = 'true'"
            models = list(_pages(self._store.client.search_registered_models, filter_string=ours))
        return sorted(
            m.name for m in models if any(map(_is_ours, m.latest_versions)) or self._newest(m.name)
        )

    def all(self, optimizer: str) -> list[Version]:
        aliases = targets(self.alias_log(optimizer))
        with translated():
            found = _pages(
                self._store.client.search_model_versions, filter_string=f"name = '{optimizer}'"
            )
            versions = [_version(version, aliases) for version in found if _is_ours(version)]
        if not versions:
            raise _no_optimizer(optimizer)
        return sorted(versions, key=lambda version: -version.number)

    def by_ref(self, optimizer: str, ref: str) -> Version:
        check_name(ref, "version")
        aliases = targets(self.alias_log(optimizer))
        if ref == "latest":
            return _version(self._latest(optimizer), aliases)
        if ref.isdigit():
            return _version(self.by_number(optimizer, int(ref)), aliases)
        if ref not in aliases:
            self._latest(optimizer)
            raise AliasNotFound(f"optimizer {optimizer!r} has no alias {ref!r}")
        return _version(self.by_number(optimizer, aliases[ref]), aliases)

    def by_number(self, optimizer: str, number: int) -> ModelVersion:
        missing = VersionNotFound(f"optimizer {optimizer!r} has no version {number}")
        try:
            if not 1 <= number <= MAX_NUMBER:
                raise missing
            with translated(missing):
                version = self._store.client.get_model_version(optimizer, str(number))
            if not _is_ours(version):
                raise missing
        except VersionNotFound:
            self._latest(optimizer)
            raise
        return version

    def weights(self, optimizer: str, number: int) -> bytes:
        run_id, sha256 = self._place(check_name(optimizer, "optimizer"), number)
        try:
            data = self._artifacts.get(run_id, theta_path(sha256))
        except ArtifactNotFound as error:
            raise RegistryError(f"the Θ file of {optimizer}@{number} is missing") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise RegistryError(
                f"the Θ file of {optimizer}@{number} is damaged: its digest is not {sha256}"
            )
        return data

    def alias_log(self, optimizer: str) -> list[AliasChange]:
        """Raises OptimizerNotFound where not even a name was registered."""
        tags = self._model_tags(check_name(optimizer, "optimizer"))
        if OPTIMIZER_TAG not in tags:
            raise _no_optimizer(optimizer)
        return read_log(tags)

    def _model_tags(self, optimizer: str) -> Mapping[str, str]:
        """Tags of the registered model, if there is one. Every read asks, so databases are read
        directly."""
        with translated():
            if self._store.engine is None:
                found = self._store.client.search_registered_models(
                    f"name = '{optimizer}'", max_results=1
                )
                return found[0].tags if found else {}
            table = SqlRegisteredModelTag.__table__.c
            query = select(table.key, table.value).where(table.name == optimizer)
            with self._store.engine.connect() as connection:
                return {row.key: row.value for row in connection.execute(query)}

    def _ensure_model(self, optimizer: str) -> None:
        """A registered model of that name with our mark; one that someone else made is taken
        over."""
        if OPTIMIZER_TAG in self._model_tags(optimizer):
            return
        if not self._store.client.search_registered_models(f"name = '{optimizer}'", max_results=1):
            self._store.client.create_registered_model(optimizer)
        self._store.client.set_registered_model_tag(optimizer, OPTIMIZER_TAG, "true")

    def _register(self, optimizer: str, home: str, tags: Mapping[str, str]) -> Version:
        version = self._store.client.create_model_version(
            optimizer,
            source=f"runs:/{home}/theta",
            run_id=home,
            tags=dict(tags),
            await_creation_for=0,
        )
        return _version(version, {})

    def _find(self, optimizer: str, key: str, sha256: str) -> Version | None:
        """The version with this key; RegistryError if it is another Θ."""
        with translated():
            found = self._store.client.search_model_versions(
                f"name = '{optimizer}' and tags.`{KEY_TAG}` = '{key}'",
                max_results=1,
                order_by=["version_number ASC"],
            )
        if not found:
            return None
        version = _version(found[0], {})
        if version.sha256 != sha256:
            raise RegistryError(
                f"key {key!r} was used before for another Θ, {optimizer}@{version.number}"
            )
        return replace(
            version, aliases=names_of(targets(self.alias_log(optimizer)), version.number)
        )

    def _latest(self, optimizer: str) -> ModelVersion:
        newest = self._newest(optimizer)
        if newest is None:
            raise _no_optimizer(optimizer)
        return newest

    def _newest(self, optimizer: str) -> ModelVersion | None:
        with translated():
            ours = f"name = '{optimizer}' and tags.`{SHA256_TAG}` LIKE '%'"
            found = self._store.client.search_model_versions(
                ours, max_results=1, order_by=["version_number DESC"]
            )
        return found[0] if found else None

    def _read_place(self, optimizer: str, number: int) -> tuple[str, str]:
        """The run that holds the version's file, and the file's digest: what never changes."""
        version = self.by_number(optimizer, number)
        return str(version.run_id), version.tags[SHA256_TAG]


def _own_tags(theta: Theta, size_bytes: int, key: str, run_id: str | None) -> dict[str, str]:
    manifest = checks.manifest_text(theta)
    tags = {
        KEY_TAG: key,
        SHA256_TAG: theta.sha256,
        SIZE_TAG: str(size_bytes),
        MANIFEST_TAG: manifest,
    }
    return tags if run_id is None else {**tags, RUN_TAG: run_id}


def _version(version: ModelVersion, aliases: Mapping[str, int]) -> Version:
    number = int(version.version)
    return Version(
        optimizer=version.name,
        number=number,
        sha256=version.tags[SHA256_TAG],
        size_bytes=int(version.tags[SIZE_TAG]),
        created_at=_EPOCH + timedelta(milliseconds=version.creation_timestamp),
        run_id=version.tags.get(RUN_TAG),
        manifest=json.loads(version.tags[MANIFEST_TAG]),
        description=version.description or "",
        tags=free_tags(version.tags),
        evaluations=_evaluations(version.tags),
        aliases=names_of(aliases, number),
    )


def free_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that people set."""
    return {
        name: value
        for name, value in tags.items()
        if not name.startswith(checks.RESERVED_TAG_PREFIXES)
    }


def _evaluations(tags: Mapping[str, str]) -> tuple[Evaluation, ...]:
    records = {
        name.removeprefix(EVALUATION_PREFIX): json.loads(text)
        for name, text in tags.items()
        if name.startswith(EVALUATION_PREFIX)
    }
    found = [
        Evaluation(
            key=key, evaluated_at=datetime.fromisoformat(record["time"]), summary=record["summary"]
        )
        for key, record in records.items()
    ]
    return tuple(sorted(found, key=checks.age))


def _is_ours(version: ModelVersion) -> bool:
    return {KEY_TAG, SHA256_TAG, SIZE_TAG, MANIFEST_TAG} <= version.tags.keys()


def _pages(search: Any, **arguments: Any) -> Iterator[Any]:
    """Every result of one of MLflow's paged searches."""
    token = None
    while True:
        page: Sequence[Any] = search(max_results=_PAGE, page_token=token, **arguments)
        yield from page
        token = getattr(page, "token", None)
        if not token:
            return


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _no_optimizer(optimizer: str) -> OptimizerNotFound:
    return OptimizerNotFound(f"no optimizer is named {optimizer!r}")
