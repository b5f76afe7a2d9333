"""The tags of a registered model version: all that the contract asks of a `Version` is in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hyperadam.theta import Theta
from mlflow.entities.model_registry import ModelVersion

from registry import checks
from registry.alias_log import find_aliases
from registry.mlflow_backend.runs import KEY_TAG
from registry.records import Evaluation, Version
from registry.version_log import Standing

SHA256_TAG: Final = "hyperadam.sha256"
SIZE_TAG: Final = "hyperadam.size_bytes"
MANIFEST_TAG: Final = "hyperadam.manifest"
RUN_TAG: Final = "hyperadam.run_id"
SIGNATURE_TAG: Final = "hyperadam.signature"
EVALUATION_PREFIX: Final = "hyperadam.evaluation."
"""Of tags with an evaluation's summary; the rest of their names is its key."""

_SIZE: Final = re.compile("[0-9]{1,15}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def identity_tags(theta: Theta, size_bytes: int, key: str, run_id: str | None) -> dict[str, str]:
    """The tags that say which Θ a version is, and never change."""
    tags = {
        KEY_TAG: key,
        SHA256_TAG: theta.sha256,
        SIZE_TAG: str(size_bytes),
        MANIFEST_TAG: checks.encode_manifest(theta),
    }
    if run_id is not None:
        tags[RUN_TAG] = run_id
    return tags


def is_ours(version: ModelVersion) -> bool:
    """Whether a registered model version was made here."""
    return {KEY_TAG, SHA256_TAG, SIZE_TAG, MANIFEST_TAG} <= version.tags.keys()


def read_version(version: ModelVersion, standing: Standing) -> Version:
    """The version that tags describe; `standing` says what the optimizer's logs say of it.

    Tags that cannot be read, which others may have written, damage their own version alone.
    """
    number = int(version.version)
    damage = None
    manifest: Mapping[str, Any] = {}
    evaluations: tuple[Evaluation, ...] = ()
    try:
        manifest = _read_manifest(version.tags[MANIFEST_TAG])
        evaluations = _read_evaluations(version.tags)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        damage = f"its stored row cannot be read: {error}"

    size_text = version.tags[SIZE_TAG]
    return Version(
        optimizer=version.name,
        number=number,
        sha256=version.tags[SHA256_TAG],
        size_bytes=int(size_text) if _SIZE.fullmatch(size_text) else 0,
        created_at=_EPOCH + timedelta(milliseconds=version.creation_timestamp),
        run_id=version.tags.get(RUN_TAG),
        manifest=manifest,
        description=version.description or "",
        tags=free_tags(version.tags),
        evaluations=evaluations,
        aliases=find_aliases(standing.targets, number),
        archived=number in standing.archived,
        signature=version.tags.get(SIGNATURE_TAG),
        damage=damage,
    )


def _read_manifest(text: str) -> Mapping[str, Any]:
    manifest = json.loads(text)
    if not isinstance(manifest, dict):
        raise ValueError("the manifest is not an object")
    return manifest


def free_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that people set."""
    return {
        name: value
        for name, value in tags.items()
        if not name.startswith(checks.RESERVED_TAG_PREFIXES)
    }


def _read_evaluations(tags: Mapping[str, str]) -> tuple[Evaluation, ...]:
    evaluations = []
    for name, text in tags.items():
        if not name.startswith(EVALUATION_PREFIX):
            continue
        record = json.loads(text)
        evaluation = Evaluation(
            key=name.removeprefix(EVALUATION_PREFIX),
            evaluated_at=datetime.fromisoformat(record["time"]),
            summary=record["summary"],
        )
        evaluations.append(evaluation)
    return tuple(sorted(evaluations, key=checks.age))
