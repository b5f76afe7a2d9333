"""What became of versions, as a log: the changes, oldest first, are the truth; which versions are
archived or deleted is read off them.

A version that is archived is in no list and is never `latest`; whoever names it has it. One that is
deleted is gone with its file, and its number is never given again. Backends call `plan_change`
while they keep other writers out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from registry import checks
from registry.errors import VersionArchived, VersionInUse
from registry.records import Version, VersionAction, VersionChange


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Of one optimizer, what its logs say now."""

    targets: Mapping[str, int] = field(default_factory=dict)
    """Alias → version number."""
    archived: frozenset[int] = frozenset()
    deleted: frozenset[int] = frozenset()

    @property
    def hidden(self) -> frozenset[int]:
        """What `latest` never means."""
        return self.archived | self.deleted


def read_standing(targets: Mapping[str, int], log: Iterable[VersionChange]) -> Standing:
    """What the log of versions says, beside where the aliases point."""
    newest = {change.number: change.action for change in log}
    archived = frozenset(number for number, action in newest.items() if action == "archived")
    deleted = frozenset(number for number, action in newest.items() if action == "deleted")
    return Standing(targets=targets, archived=archived, deleted=deleted)


def plan_change(
    version: Version, action: VersionAction, *, actor: str, reason: str
) -> VersionChange | None:
    """The change that takes the version there; None where it is there already.

    Raises:
        VersionInUse: an alias points at it.
    """
    is_there = {"archived": version.archived, "restored": not version.archived, "deleted": False}
    if is_there[action]:
        return None
    if version.aliases and action != "restored":
        names = ", ".join(version.aliases)
        raise VersionInUse(
            f"{version.optimizer}@{version.number} cannot be {action}: "
            f"aliases point at it ({names}); move them first"
        )
    return VersionChange(
        number=version.number,
        action=action,
        sha256=version.sha256,
        actor=checks.check_text(actor, "actor", max_chars=checks.MAX_ACTOR_CHARS),
        reason=checks.check_text(reason, "reason", max_chars=checks.MAX_REASON_CHARS),
        changed_at=datetime.now(UTC),
    )


def check_not_archived(version: Version) -> None:
    """What an alias may point at.

    Raises:
        VersionArchived: it is put away.
    """
    if version.archived:
        raise VersionArchived(f"{version.optimizer}@{version.number} is archived: restore it first")
