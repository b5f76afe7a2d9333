"""Aliases as a log: the changes, oldest first, are the truth; where an alias points now is read off
them.

So a move is one append, whole or not at all, and a history that disagrees with the present cannot
exist. What may be appended is decided here, for every backend alike: `plan_move`, `plan_deletion`
and `plan_promotion` give the next change, or None where there is nothing to change. Backends call
them while they keep other writers out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from registry import checks
from registry.errors import AliasMoved, AliasNotFound, AliasProtected
from registry.records import AliasChange


def resolve_aliases(changes: Iterable[AliasChange]) -> dict[str, int]:
    """Alias → version number, after all changes."""
    targets = {}
    for alias, change in _newest_changes(changes).items():
        if change.new_version is not None:
            targets[alias] = change.new_version
    return targets


def find_protected(changes: Iterable[AliasChange]) -> frozenset[str]:
    """The aliases that only `Registry.promote` moves, after all changes."""
    newest = _newest_changes(changes)
    return frozenset(alias for alias, change in newest.items() if change.protected)


def find_rules(changes: Iterable[AliasChange]) -> dict[str, Mapping[str, Any]]:
    """Alias → the rule of its own that promotions go by, of those that have one."""
    newest = _newest_changes(changes)
    return {alias: change.rule for alias, change in newest.items() if change.rule is not None}


def find_aliases(targets: Mapping[str, int], number: int) -> tuple[str, ...]:
    """Sorted aliases that point at a version."""
    return tuple(sorted(alias for alias, target in targets.items() if target == number))


def plan_move(
    log: Sequence[AliasChange],
    alias: str,
    number: int,
    *,
    actor: str,
    reason: str,
    protected: bool | None,
    rule: Mapping[str, Any] | None = None,
) -> AliasChange | None:
    """The change that `Registry.set_alias` makes.

    Raises:
        AliasProtected: it is, and `protected` does not end that.
    """
    last = _newest_changes(log).get(alias)
    was_protected = last is not None and last.protected
    stays_protected = was_protected if protected is None else protected

    old_rule = None if last is None else last.rule
    new_rule = (old_rule if rule is None else rule) if stays_protected else None
    old = None if last is None else (last.new_version, was_protected, old_rule)
    if old == (number, stays_protected, new_rule):
        return None
    moves = last is None or last.new_version != number
    if was_protected and stays_protected and moves:
        raise _protected(alias)
    change = _change(last, alias, number, actor=actor, reason=reason, protected=stays_protected)
    return replace(change, rule=new_rule)


def plan_deletion(
    log: Sequence[AliasChange],
    optimizer: str,
    alias: str,
    *,
    actor: str,
    reason: str,
) -> AliasChange:
    """The change that `Registry.delete_alias` makes.

    Raises:
        AliasNotFound, AliasProtected.
    """
    last = _newest_changes(log).get(alias)
    if last is None or last.new_version is None:
        raise AliasNotFound(f"optimizer {optimizer!r} has no alias {alias!r}")
    if last.protected:
        raise _protected(alias)
    return _change(last, alias, None, actor=actor, reason=reason, protected=False)


def plan_promotion(
    log: Sequence[AliasChange],
    alias: str,
    number: int,
    *,
    expected: int | None,
    actor: str,
    reason: str,
) -> AliasChange | None:
    """The change that `Registry.promote` makes.

    Raises:
        AliasMoved: the alias does not point at `expected`.
    """
    for change in log:
        if (change.alias, change.new_version, change.actor) == (alias, number, actor):
            return None

    last = _newest_changes(log).get(alias)
    current = None if last is None else last.new_version
    if current != expected:
        raise AliasMoved(f"alias {alias!r} points at {current}, not at {expected}")
    if current == number:
        return None

    is_protected = last is not None and last.protected
    change = _change(last, alias, number, actor=actor, reason=reason, protected=is_protected)
    return replace(change, rule=None if last is None else last.rule)


def _newest_changes(log: Iterable[AliasChange]) -> dict[str, AliasChange]:
    """The newest change of each alias."""
    return {change.alias: change for change in log}


def _change(
    last: AliasChange | None,
    alias: str,
    number: int | None,
    *,
    actor: str,
    reason: str,
    protected: bool,
) -> AliasChange:
    now = datetime.now(UTC)
    return AliasChange(
        alias=alias,
        old_version=None if last is None else last.new_version,
        new_version=number,
        actor=checks.check_text(actor, "actor", max_chars=checks.MAX_ACTOR_CHARS),
        reason=checks.check_text(reason, "reason", max_chars=checks.MAX_REASON_CHARS),
        changed_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
        protected=protected,
    )


def _protected(alias: str) -> AliasProtected:
    return AliasProtected(
        f"alias {alias!r} is protected: only a promotion rule moves it until that is ended"
    )
