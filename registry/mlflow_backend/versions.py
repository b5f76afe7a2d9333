"""Versions: each is a registered model version whose tags say all that the contract asks, and a Θ
file in a run.

The file's place follows from its digest, never from MLflow's `source`, which anyone with access to
MLflow may set to anything. It is written before the version exists; a version without our tags was
not made here and does not exist here. An uploaded Θ gets a run of its own, so that its file has a
home.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from hyperadam.names import check_name
from hyperadam.theta import Theta
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelTag
from sqlalchemy import select

from registry import checks
from registry.alias_log import find_aliases, resolve_aliases
from registry.errors import (
    AliasNotFound,
    ArtifactNotFound,
    OptimizerNotFound,
    RegistryError,
    VersionNotFound,
)
from registry.mlflow_backend.aliases import read_log
from registry.mlflow_backend.artifacts import Artifacts
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translate_errors
from registry.mlflow_backend.runs import KEY_TAG, Runs
from registry.mlflow_backend.version_tags import (
    SHA256_TAG,
    identity_tags,
    is_ours,
    read_version,
)
from registry.records import AliasChange, Version, theta_path

OPTIMIZER_TAG: Final = "hyperadam.optimizer"
"""On registered models: here are versions of ours."""
MAX_NUMBER: Final = 2**31 - 1
"""MLflow's column for version numbers holds no more."""

_PAGE: Final = 1000


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
        all_tags = checks.check_tags(tags)
        all_tags |= identity_tags(Theta.from_bytes(data), len(data), key, run_id)
        if run_id is not None:
            self._runs.artifact_uri(run_id)

        existing = self._find_by_key(optimizer, key, theta.sha256)
        if existing is not None:
            return existing

        home_run_id = run_id or self._open_upload(optimizer, key)
        self._artifacts.put(home_run_id, theta_path(theta.sha256), data)
        with translate_errors(), self._store.locks.hold(optimizer):
            self._ensure_model(optimizer)
            existing = self._find_by_key(optimizer, key, theta.sha256)
            if existing is not None:
                return existing
            return self._register(optimizer, home_run_id, all_tags)

    def list_optimizers(self) -> list[str]:
        with translate_errors():
            ours = f"tags.`{OPTIMIZER_TAG}` = 'true'"
            models = list(_pages(self._store.client.search_registered_models, filter_string=ours))
        return sorted(model.name for model in models if self._has_versions(model))

    def newest_first(self, optimizer: str) -> list[Version]:
        targets = resolve_aliases(self.read_alias_log(optimizer))
        with translate_errors():
            pages = _pages(
                self._store.client.search_model_versions,
                filter_string=f"name = '{optimizer}'",
            )
            versions = [read_version(version, targets) for version in pages if is_ours(version)]
        if not versions:
            raise _no_optimizer(optimizer)
        return sorted(versions, key=lambda version: -version.number)

    def by_ref(self, optimizer: str, ref: str) -> Version:
        check_name(ref, "version")
        targets = resolve_aliases(self.read_alias_log(optimizer))
        if ref == "latest":
            return read_version(self._latest(optimizer), targets)
        if ref.isdigit():
            return read_version(self.by_number(optimizer, int(ref)), targets)
        if ref not in targets:
            self._latest(optimizer)
            raise AliasNotFound(f"optimizer {optimizer!r} has no alias {ref!r}")
        return read_version(self.by_number(optimizer, targets[ref]), targets)

    def by_number(self, optimizer: str, number: int) -> ModelVersion:
        missing = VersionNotFound(f"optimizer {optimizer!r} has no version {number}")
        try:
            if not 1 <= number <= MAX_NUMBER:
                raise missing
            with translate_errors(missing):
                version = self._store.client.get_model_version(optimizer, str(number))
            if not is_ours(version):
                raise missing
        except VersionNotFound:
            self._latest(optimizer)
            raise
        return version

    def read_weights(self, optimizer: str, number: int) -> bytes:
        """The Θ file, verified."""
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

    def read_alias_log(self, optimizer: str) -> list[AliasChange]:
        """Raises OptimizerNotFound where not even a name was registered."""
        tags = self._read_model_tags(check_name(optimizer, "optimizer"))
        if OPTIMIZER_TAG not in tags:
            raise _no_optimizer(optimizer)
        return read_log(tags)

    def _read_model_tags(self, optimizer: str) -> Mapping[str, str]:
        """Tags of the registered model, if there is one. Every read of a version needs them, so
        that a database is read directly."""
        if self._store.engine is None:
            model = self._find_model(optimizer)
            return {} if model is None else model.tags

        table = SqlRegisteredModelTag.__table__.c
        query = select(table.key, table.value).where(table.name == optimizer)
        with translate_errors(), self._store.engine.connect() as connection:
            return {row.key: row.value for row in connection.execute(query)}

    def _find_model(self, optimizer: str) -> RegisteredModel | None:
        with translate_errors():
            models = self._store.client.search_registered_models(
                f"name = '{optimizer}'", max_results=1
            )
        return models[0] if models else None

    def _ensure_model(self, optimizer: str) -> None:
        """A registered model of that name with our mark. A model of others is taken over."""
        if OPTIMIZER_TAG in self._read_model_tags(optimizer):
            return
        if self._find_model(optimizer) is None:
            self._store.client.create_registered_model(optimizer)
        self._store.client.set_registered_model_tag(optimizer, OPTIMIZER_TAG, "true")

    def _has_versions(self, model: RegisteredModel) -> bool:
        has_ours = any(is_ours(version) for version in model.latest_versions)
        return has_ours or self._find_newest(model.name) is not None

    def _open_upload(self, optimizer: str, key: str) -> str:
        """The run that holds an uploaded Θ."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        return self._runs.open(f"upload:{optimizer}:{digest}", name=f"upload of {optimizer}")

    def _register(self, optimizer: str, home_run_id: str, tags: Mapping[str, str]) -> Version:
        version = self._store.client.create_model_version(
            optimizer,
            source=f"runs:/{home_run_id}/theta",
            run_id=home_run_id,
            tags=dict(tags),
            await_creation_for=0,
        )
        return read_version(version, {})

    def _find_by_key(self, optimizer: str, key: str, sha256: str) -> Version | None:
        """The version with this key, if there is one; RegistryError if it is another Θ."""
        with translate_errors():
            versions = self._store.client.search_model_versions(
                f"name = '{optimizer}' and tags.`{KEY_TAG}` = '{key}'",
                max_results=1,
                order_by=["version_number ASC"],
            )
        if not versions:
            return None

        version = read_version(versions[0], {})
        if version.sha256 != sha256:
            raise RegistryError(
                f"key {key!r} was used before for another Θ, {optimizer}@{version.number}"
            )
        targets = resolve_aliases(self.read_alias_log(optimizer))
        return replace(version, aliases=find_aliases(targets, version.number))

    def _latest(self, optimizer: str) -> ModelVersion:
        newest = self._find_newest(optimizer)
        if newest is None:
            raise _no_optimizer(optimizer)
        return newest

    def _find_newest(self, optimizer: str) -> ModelVersion | None:
        ours = f"name = '{optimizer}' and tags.`{SHA256_TAG}` LIKE '%'"
        with translate_errors():
            versions = self._store.client.search_model_versions(
                ours, max_results=1, order_by=["version_number DESC"]
            )
        return versions[0] if versions else None

    def _read_place(self, optimizer: str, number: int) -> tuple[str, str]:
        """The run that holds the version's file, and the file's digest: what never changes."""
        version = self.by_number(optimizer, number)
        return str(version.run_id), version.tags[SHA256_TAG]


def _pages(search: Any, **arguments: Any) -> Iterator[Any]:
    """Every result of one of MLflow's paged searches."""
    token = None
    while True:
        page: Sequence[Any] = search(max_results=_PAGE, page_token=token, **arguments)
        yield from page
        token = getattr(page, "token", None)
        if not token:
            return


def _no_optimizer(optimizer: str) -> OptimizerNotFound:
    return OptimizerNotFound(f"no optimizer is named {optimizer!r}")
