"""A meta-training that says nothing of itself takes the preset `default`, and is told so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meta_trainer.specs.catalog import DEFAULT_PRESET


def is_bare(kind: str, content: Mapping[str, Any]) -> bool:
    """Whether nothing is said: a spec with any field begins from the defaults of fields."""
    return kind == "meta-training" and not content


def lay_under(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The spec as it is meant."""
    return {"preset": DEFAULT_PRESET} if is_bare(kind, content) else dict(content)


def describe_bare(kind: str, content: Mapping[str, Any]) -> list[str]:
    """What was decided for the client."""
    if not is_bare(kind, content):
        return []
    return [f"no spec was given: it begins from the preset {DEFAULT_PRESET!r}"]
