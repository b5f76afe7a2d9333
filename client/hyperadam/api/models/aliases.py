"""Movable names for versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hyperadam.api.decode import Record


@dataclass(frozen=True, kw_only=True)
class Alias(Record):
    """A movable name for a version."""

    alias: str
    version: int
    protected: bool = False
    """Whether only a promotion rule moves it."""


@dataclass(frozen=True, kw_only=True)
class AliasChange(Record):
    """One entry of an alias's history."""

    alias: str
    actor: str
    changed_at: datetime
    old_version: int | None = None
    new_version: int | None = None
    reason: str = ""
    protected: bool = False


@dataclass(frozen=True, kw_only=True)
class Aliases(Record):
    """The aliases of one optimizer, and every change of them."""

    items: tuple[Alias, ...]
    history: tuple[AliasChange, ...] = ()
