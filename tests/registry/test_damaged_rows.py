"""A stored row that cannot be read is named as damaged, and takes no other with it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from registry.mlflow_backend.runs import KEY_TAG
from registry.mlflow_backend.version_tags import (
    EVALUATION_PREFIX,
    MANIFEST_TAG,
    SHA256_TAG,
    SIZE_TAG,
    read_version,
)
from registry.version_log import Standing


def make_row(**changes: str) -> Any:
    tags = {KEY_TAG: "k", SHA256_TAG: "0" * 64, SIZE_TAG: "7", MANIFEST_TAG: "{}", **changes}
    return SimpleNamespace(
        name="mine", version="1", tags=tags, creation_timestamp=0, description=None
    )


@pytest.mark.parametrize(
    "changes",
    [
        {MANIFEST_TAG: "{"},
        {MANIFEST_TAG: "[]"},
        {MANIFEST_TAG: "[" * 100_000},
        {EVALUATION_PREFIX + "job": "{"},
        {EVALUATION_PREFIX + "job": "{}"},
        {EVALUATION_PREFIX + "job": json.dumps({"time": 3, "summary": {}})},
    ],
)
def test_a_damaged_row_is_named(changes: dict[str, str]) -> None:
    version = read_version(make_row(**changes), Standing(targets={"champion": 1}))
    assert version.damage is not None
    assert "cannot be read" in version.damage
    assert (version.number, version.aliases) == (1, ("champion",))


def test_a_whole_row_is_not() -> None:
    assert read_version(make_row(), Standing()).damage is None
    assert read_version(make_row(**{SIZE_TAG: "many"}), Standing()).size_bytes == 0
