"""Registered models: one for each optimizer's name. Their tags hold our mark and two logs, one of
aliases and one of what became of versions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from hyperadam.names import check_name
from mlflow.entities.model_registry import RegisteredModel
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelTag
from sqlalchemy import select

from registry.alias_log import resolve_aliases
from registry.errors import OptimizerNotFound
from registry.mlflow_backend.aliases import read_log
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translate_errors
from registry.records import AliasChange, VersionChange
from registry.version_log import Standing, read_standing

OPTIMIZER_TAG: Final = "hyperadam.optimizer"
"""On registered models: here are versions of ours."""
CHANGE_PREFIX: Final = "hyperadam.version-change."


class Models:
    """Reads tags of registered models, and appends to the log of versions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_standing(self, optimizer: str) -> Standing:
        """Raises OptimizerNotFound where not even a name was registered."""
        tags = self._read_our_tags(optimizer)
        return read_standing(resolve_aliases(read_log(tags)), read_changes(tags))

    def read_alias_log(self, optimizer: str) -> list[AliasChange]:
        return read_log(self._read_our_tags(optimizer))

    def read_version_log(self, optimizer: str) -> list[VersionChange]:
        """What became of versions, oldest first."""
        return read_changes(self._read_our_tags(optimizer))

    def append_change(self, optimizer: str, change: VersionChange) -> None:
        """Record what becomes of a version. The caller holds the optimizer's lock."""
        record = {
            "version": change.number,
            "action": change.action,
            "sha256": change.sha256,
            "actor": change.actor,
            "reason": change.reason,
            "time": change.changed_at.isoformat(timespec="milliseconds"),
        }
        place = len(self.read_version_log(optimizer)) + 1
        key = f"{CHANGE_PREFIX}{place:08d}.{uuid.uuid4().hex[:8]}"
        text = json.dumps(record, ensure_ascii=False)
        with translate_errors():
            self._store.client.set_registered_model_tag(optimizer, key, text)

    def ensure(self, optimizer: str) -> None:
        """A registered model of that name with our mark. A model of others is taken over."""
        if OPTIMIZER_TAG in self._read_tags(optimizer):
            return
        if self._find(optimizer) is None:
            self._store.client.create_registered_model(optimizer)
        self._store.client.set_registered_model_tag(optimizer, OPTIMIZER_TAG, "true")

    def _read_our_tags(self, optimizer: str) -> Mapping[str, str]:
        tags = self._read_tags(check_name(optimizer, "optimizer"))
        if OPTIMIZER_TAG not in tags:
            raise OptimizerNotFound.named(optimizer)
        return tags

    def _read_tags(self, optimizer: str) -> Mapping[str, str]:
        """Tags of the registered model, if there is one. Every read of a version needs them, so
        that a database is read directly."""
        if self._store.engine is None:
            model = self._find(optimizer)
            return {} if model is None else model.tags

        table = SqlRegisteredModelTag.__table__.c
        query = select(table.key, table.value).where(table.name == optimizer)
        with translate_errors(), self._store.engine.connect() as connection:
            return {row.key: row.value for row in connection.execute(query)}

    def _find(self, optimizer: str) -> RegisteredModel | None:
        with translate_errors():
            models = self._store.client.search_registered_models(
                f"name = '{optimizer}'", max_results=1
            )
        return models[0] if models else None


def read_changes(tags: Mapping[str, str]) -> list[VersionChange]:
    """What the tags of a registered model say of its versions, oldest first."""
    changes = []
    for key in sorted(key for key in tags if key.startswith(CHANGE_PREFIX)):
        record = json.loads(tags[key])
        change = VersionChange(
            number=record["version"],
            action=record["action"],
            sha256=record["sha256"],
            actor=record["actor"],
            reason=record["reason"],
            changed_at=datetime.fromisoformat(record["time"]),
        )
        changes.append(change)
    return changes
