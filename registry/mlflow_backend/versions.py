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
from functools import lru_cache
from typing import Any, Final

from hyperadam.names import check_name
from hyperadam.theta import Theta
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from registry import checks
from registry.errors import (
    AliasNotFound,
    ArtifactNotFound,
    OptimizerNotFound,
    RegistryError,
    VersionNotFound,
)
from registry.mlflow_backend.artifacts import Artifacts
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translate_errors
from registry.mlflow_backend.models import OPTIMIZER_TAG, Models
from registry.mlflow_backend.runs import KEY_TAG, Runs
from registry.mlflow_backend.version_tags import (
    SHA256_TAG,
    identity_tags,
    is_ours,
    read_version,
)
from registry.records import Version, theta_path
from registry.version_log import Standing

MAX_NUMBER: Final = 2**31 - 1
"""MLflow's column for version numbers holds no more."""

_PAGE: Final = 1000


class Versions:
    """Numbered, immutable Θ files under optimizers' names."""

    def __init__(self, store: Store, models: Models, runs: Runs, artifacts: Artifacts) -> None:
        self._store = store
        self._models = models
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
            self._models.ensure(optimizer)
            existing = self._find_by_key(optimizer, key, theta.sha256)
            if existing is not None:
                return existing
            return self._register(optimizer, home_run_id, all_tags)

    def list_optimizers(self, *, unlisted: bool) -> list[str]:
        with translate_errors():
            ours = f"tags.`{OPTIMIZER_TAG}` = 'true'"
            models = list(_pages(self._store.client.search_registered_models, filter_string=ours))
        return sorted(model.name for model in models if unlisted or self._has_versions(model))

    def newest_first(self, optimizer: str) -> list[Version]:
        standing = self._models.read_standing(optimizer)
        with translate_errors():
            pages = _pages(
                self._store.client.search_model_versions,
                filter_string=f"name = '{optimizer}'",
            )
            versions = [read_version(version, standing) for version in pages if is_ours(version)]
        versions = [version for version in versions if version.number not in standing.deleted]
        if not versions:
            raise OptimizerNotFound.named(optimizer)
        return sorted(versions, key=lambda version: -version.number)

    def by_ref(self, optimizer: str, ref: str) -> Version:
        check_name(ref, "version")
        standing = self._models.read_standing(optimizer)
        if ref == "latest":
            return read_version(self._find_latest(optimizer, standing), standing)
        if ref.isdigit():
            return read_version(self._find(optimizer, int(ref), standing), standing)
        if ref not in standing.targets:
            self._check_any(optimizer, standing)
            raise AliasNotFound(f"optimizer {optimizer!r} has no alias {ref!r}")
        return read_version(self._find(optimizer, standing.targets[ref], standing), standing)

    def by_number(self, optimizer: str, number: int) -> ModelVersion:
        return self._find(optimizer, number, self._models.read_standing(optimizer))

    def check_any(self, optimizer: str) -> None:
        """Raises OptimizerNotFound unless there is a version."""
        self._check_any(optimizer, self._models.read_standing(optimizer))

    def forget(self) -> None:
        """Where files lie is asked anew: a version was deleted."""
        self._place.cache_clear()

    def _find(self, optimizer: str, number: int, standing: Standing) -> ModelVersion:
        missing = VersionNotFound(f"optimizer {optimizer!r} has no version {number}")
        try:
            if not 1 <= number <= MAX_NUMBER or number in standing.deleted:
                raise missing
            with translate_errors(missing):
                version = self._store.client.get_model_version(optimizer, str(number))
            if not is_ours(version):
                raise missing
        except VersionNotFound:
            self._check_any(optimizer, standing)
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

    def _has_versions(self, model: RegisteredModel) -> bool:
        """Whether it has one that is not archived."""
        hidden = self._models.read_standing(model.name).hidden
        for version in model.latest_versions:
            if is_ours(version) and int(version.version) not in hidden:
                return True
        return self._find_newest(model.name, hidden) is not None

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
        return read_version(version, Standing())

    def _find_by_key(self, optimizer: str, key: str, sha256: str) -> Version | None:
        """The version with this key, if there is one; RegistryError if it is another Θ."""
        with translate_errors():
            found = self._store.client.search_model_versions(
                f"name = '{optimizer}' and tags.`{KEY_TAG}` = '{key}'",
                order_by=["version_number ASC"],
            )
        if not found:
            return None
        standing = self._models.read_standing(optimizer)
        versions = [read_version(version, standing) for version in found]
        versions = [version for version in versions if version.number not in standing.deleted]
        if not versions:
            return None

        version = versions[0]
        if version.sha256 != sha256:
            raise RegistryError(
                f"key {key!r} was used before for another Θ, {optimizer}@{version.number}"
            )
        return version

    def _find_latest(self, optimizer: str, standing: Standing) -> ModelVersion:
        newest = self._find_newest(optimizer, standing.hidden)
        if newest is None:
            self._check_any(optimizer, standing)
            raise VersionNotFound(f"every version of optimizer {optimizer!r} is archived")
        return newest

    def _check_any(self, optimizer: str, standing: Standing) -> None:
        if self._find_newest(optimizer, standing.deleted) is None:
            raise OptimizerNotFound.named(optimizer)

    def _find_newest(self, optimizer: str, without: frozenset[int]) -> ModelVersion | None:
        """The newest version whose number is none of these."""
        ours = f"name = '{optimizer}' and tags.`{SHA256_TAG}` LIKE '%'"
        with translate_errors():
            versions = self._store.client.search_model_versions(
                ours, max_results=len(without) + 1, order_by=["version_number DESC"]
            )
        for version in versions:
            if int(version.version) not in without:
                return version
        return None

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
