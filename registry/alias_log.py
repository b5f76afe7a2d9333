"""Aliases as a log: the changes, oldest first, are the truth; where an alias points now is read off them.

So a move is one append, whole or not at all, and a history that disagrees with the present cannot exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from registry.contract import AliasChange


def targets(changes: Iterable[AliasChange]) -> dict[str, int]:
    """Alias → version number, after all changes."""
    current: dict[str, int | None] = {}
    for change in changes:
        current[change.alias] = change.new_version
    return {alias: number for alias, number in current.items() if number is not None}


def names_of(current: Mapping[str, int], number: int) -> tuple[str, ...]:
    """Sorted aliases that point at a version."""
    return tuple(sorted(alias for alias, target in current.items() if target == number))
