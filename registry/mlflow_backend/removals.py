"""Archiving, restoring and deleting versions: one record in the log, and after a deletion the file
and MLflow's own row.

The record comes first, and is the truth: a deletion that was cut off is carried on by the next
call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from registry.errors import RunNotFound, VersionNotFound
from registry.mlflow_backend.artifacts import Artifacts
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translate_errors
from registry.mlflow_backend.models import Models
from registry.mlflow_backend.runs import Runs
from registry.mlflow_backend.version_tags import SHA256_TAG, is_ours
from registry.mlflow_backend.versions import Versions
from registry.records import Version, VersionAction, theta_path
from registry.version_log import plan_change


class Removals:
    """Changes of what becomes of versions."""

    def __init__(
        self,
        store: Store,
        models: Models,
        versions: Versions,
        artifacts: Artifacts,
        runs: Runs,
        delete_run: Callable[[str], None],
    ) -> None:
        self._store = store
        self._models = models
        self._versions = versions
        self._artifacts = artifacts
        self._runs = runs
        self._delete_run = delete_run

    def change(
        self, optimizer: str, number: int, action: VersionAction, actor: str, reason: str
    ) -> Version:
        """Record the change, if it is one; the version as it was before."""
        self._versions.by_ref(optimizer, str(number))
        with translate_errors(), self._store.locks.hold(optimizer):
            version = self._versions.by_ref(optimizer, str(number))
            change = plan_change(version, action, actor=actor, reason=reason)
            if change is not None:
                self._models.append_change(optimizer, change)
        return version

    def delete(self, optimizer: str, number: int, actor: str, reason: str) -> None:
        if number not in self._models.read_standing(optimizer).deleted:
            self.change(optimizer, number, "deleted", actor, reason)
        self._remove(optimizer, number)

    def _remove(self, optimizer: str, number: int) -> None:
        """What is left of a deleted version: MLflow's row, and the file if it is no other's."""
        client = self._store.client
        with translate_errors(VersionNotFound(f"{optimizer}@{number} is gone already")):
            version = client.get_model_version(optimizer, str(number))
        if not is_ours(version):
            return
        sha256 = version.tags[SHA256_TAG]
        with translate_errors():
            others = [
                other
                for other in client.search_model_versions(f"run_id = '{version.run_id}'")
                if (other.name, other.version) != (version.name, version.version)
            ]
        if all(other.tags.get(SHA256_TAG) != sha256 for other in others):
            self._artifacts.delete(str(version.run_id), theta_path(sha256))
        with translate_errors():
            client.delete_model_version(optimizer, str(number))
        self._versions.forget()
        self._remove_left_run(str(version.run_id))

    def _remove_left_run(self, run_id: str) -> None:
        """The run of a job that was deleted before goes with the last of its versions."""
        with suppress(RunNotFound):
            if self._runs.is_left(run_id):
                self._delete_run(run_id)
