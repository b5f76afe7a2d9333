"""Aliases: an append-only log in tags of the registered model, one JSON record a change.

MLflow moves an alias without a trace, so its aliases are only a mirror here, for people and programs that look at
MLflow; the log is the truth, and a move made in MLflow's own pages has no effect. MLflow refuses some of our names
(with a dot, or like `v3`): those are not mirrored. A tag's key is its place in the log; writers hold the optimizer's
lock, and a random end of the key keeps a record from ever being overwritten.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from registry import checks
from registry.contract import AliasChange
from registry.mlflow_backend.errors import translated

_PREFIX: Final = "hyperadam.alias."
_MIRRORED: Final = re.compile(r"(?!v[0-9]+$)[a-z0-9_-]+")


def read_log(tags: Mapping[str, str]) -> list[AliasChange]:
    """The changes that a registered model's tags hold, oldest first."""
    changes: list[AliasChange] = []
    current: dict[str, int | None] = {}
    for key in sorted(key for key in tags if key.startswith(_PREFIX)):
        record = json.loads(tags[key])
        alias, number = record["alias"], record["version"]
        changes.append(
            AliasChange(
                alias=alias,
                old_version=current.get(alias),
                new_version=number,
                actor=record["actor"],
                reason=record["reason"],
                changed_at=datetime.fromisoformat(record["time"]),
            )
        )
        current[alias] = number
    return changes


def append(
    client: MlflowClient,
    optimizer: str,
    log: list[AliasChange],
    alias: str,
    number: int | None,
    actor: str,
    reason: str,
) -> None:
    """Record a change after those of `log`, and mirror it; the caller holds the optimizer's lock."""
    record = {
        "alias": alias,
        "version": number,
        "actor": checks.check_text(actor, "actor", max_chars=checks.MAX_ACTOR_CHARS),
        "reason": checks.check_text(reason, "reason", max_chars=checks.MAX_REASON_CHARS),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    key = f"{_PREFIX}{len(log) + 1:08d}.{uuid.uuid4().hex[:8]}"
    with translated():
        client.set_registered_model_tag(optimizer, key, json.dumps(record, ensure_ascii=False))
    if _MIRRORED.fullmatch(alias):
        with suppress(MlflowException):  # the move is recorded: a mirror that lags does not undo it
            if number is None:
                client.delete_registered_model_alias(optimizer, alias)
            else:
                client.set_registered_model_alias(optimizer, alias, str(number))
