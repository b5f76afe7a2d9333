"""Aliases: an append-only log in tags of the registered model, one JSON record a change.

MLflow moves an alias without a trace, so its aliases are only a mirror here, for people and
programs that look at MLflow; the log is the truth, and a move made in MLflow's own pages has no
effect. MLflow refuses some of our names (with a dot, or like `v3`): those are not mirrored. A tag's
key is its place in the log; writers hold the optimizer's lock, and a random end of the key keeps a
record from ever being overwritten.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from registry.mlflow_backend.errors import translate_errors
from registry.records import AliasChange

_PREFIX: Final = "hyperadam.alias."
_MIRRORED: Final = re.compile(r"(?!v[0-9]+$)[a-z0-9_-]+")


def read_log(tags: Mapping[str, str]) -> list[AliasChange]:
    """The changes that a registered model's tags hold, oldest first."""
    changes: list[AliasChange] = []
    current: dict[str, int | None] = {}

    for key in sorted(key for key in tags if key.startswith(_PREFIX)):
        record = json.loads(tags[key])
        alias = record["alias"]
        change = AliasChange(
            alias=alias,
            old_version=current.get(alias),
            new_version=record["version"],
            actor=record["actor"],
            reason=record["reason"],
            changed_at=datetime.fromisoformat(record["time"]),
            protected=record.get("protected", False),
            rule=record.get("rule"),
        )
        changes.append(change)
        current[alias] = change.new_version

    return changes


def append(
    client: MlflowClient,
    optimizer: str,
    log: list[AliasChange],
    change: AliasChange,
) -> None:
    """Record a change after those of `log`, and mirror it. The caller holds the lock."""
    record: dict[str, Any] = {
        "alias": change.alias,
        "version": change.new_version,
        "actor": change.actor,
        "reason": change.reason,
        "time": change.changed_at.isoformat(timespec="milliseconds"),
        "protected": change.protected,
    }
    if change.rule is not None:
        record["rule"] = change.rule
    key = f"{_PREFIX}{len(log) + 1:08d}.{uuid.uuid4().hex[:8]}"
    with translate_errors():
        client.set_registered_model_tag(optimizer, key, json.dumps(record, ensure_ascii=False))
    if _MIRRORED.fullmatch(change.alias):
        _mirror(client, optimizer, change)


def _mirror(client: MlflowClient, optimizer: str, change: AliasChange) -> None:
    """The move is recorded: a mirror that lags does not undo it."""
    with suppress(MlflowException):
        if change.new_version is None:
            client.delete_registered_model_alias(optimizer, change.alias)
        else:
            client.set_registered_model_alias(optimizer, change.alias, str(change.new_version))
