"""The versions of one optimizer in memory, and the log of its aliases. The registry around them
keeps other threads out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from registry import checks
from registry.alias_log import find_aliases, resolve_aliases
from registry.errors import AliasNotFound, RegistryError, VersionNotFound
from registry.memory_runs import to_milliseconds
from registry.records import (
    AliasChange,
    Evaluation,
    Version,
    VersionAction,
    VersionChange,
)
from registry.version_log import Standing, plan_change, read_standing


class MemoryVersions:
    """Versions by number, key and alias."""

    def __init__(self, optimizer: str) -> None:
        self._optimizer = optimizer
        self._versions: list[Version] = []
        """Version n is at n − 1; their `aliases` stay empty here."""
        self._files: list[bytes] = []
        self._numbers_by_key: dict[str, int] = {}
        self.alias_changes: list[AliasChange] = []
        """Oldest first."""
        self.version_changes: list[VersionChange] = []
        """Oldest first."""

    @property
    def standing(self) -> Standing:
        """What the logs say now."""
        return read_standing(resolve_aliases(self.alias_changes), self.version_changes)

    def append(
        self,
        file: bytes,
        manifest: Mapping[str, Any],
        key: str,
        sha256: str,
        run_id: str | None,
        tags: Mapping[str, str],
    ) -> Version:
        version = Version(
            optimizer=self._optimizer,
            number=len(self._versions) + 1,
            sha256=sha256,
            size_bytes=len(file),
            created_at=to_milliseconds(datetime.now(UTC)),
            run_id=run_id,
            manifest=manifest,
            tags=tags,
        )
        self._versions.append(version)
        self._files.append(file)
        self._numbers_by_key[key] = version.number
        return version

    def annotate(
        self,
        number: int,
        description: str | None,
        tags: Mapping[str, str | None] | None,
    ) -> Version:
        version = self.by_number(number)
        if description is not None:
            checks.check_description(description)
            version = replace(version, description=description)
        version = replace(version, tags=checks.merge_tags(version.tags, tags))
        self._replace(version)
        return version

    def attach(self, number: int, evaluation: Evaluation) -> Version:
        version = self.by_number(number)
        time = to_milliseconds(evaluation.evaluated_at)
        evaluations = [old for old in version.evaluations if old.key != evaluation.key]
        evaluations.append(replace(evaluation, evaluated_at=time))
        newest = sorted(evaluations, key=checks.age)[-checks.MAX_EVALUATIONS :]
        version = replace(version, evaluations=tuple(newest))
        self._replace(version)
        return version

    def sign(self, number: int, signature: str) -> Version:
        self._replace(replace(self.by_number(number), signature=signature))
        return self.by_number(number)

    def change(self, number: int, action: VersionAction, actor: str, reason: str) -> Version:
        """Archive or restore a version."""
        change = plan_change(self.by_number(number), action, actor=actor, reason=reason)
        if change is not None:
            self.version_changes.append(change)
        return self.by_number(number)

    def delete(self, number: int, actor: str, reason: str) -> Version:
        """The version as it was."""
        version = self.by_number(number)
        change = plan_change(version, "deleted", actor=actor, reason=reason)
        if change is not None:
            self.version_changes.append(change)
        self._files[number - 1] = b""
        keys = [key for key, known in self._numbers_by_key.items() if known == number]
        for key in keys:
            del self._numbers_by_key[key]
        return version

    def _replace(self, version: Version) -> None:
        """Put what people say about a version in the place of what was said before."""
        self._versions[version.number - 1] = replace(version, aliases=(), archived=False)

    def newest_first(self) -> list[Version]:
        deleted = self.standing.deleted
        numbers = [n for n in range(len(self._versions), 0, -1) if n not in deleted]
        return [self.by_number(number) for number in numbers]

    def is_listed(self) -> bool:
        """Whether there is a version that is not archived."""
        return any(not version.archived for version in self.newest_first())

    def by_number(self, number: int) -> Version:
        self._check(number)
        standing = self.standing
        return replace(
            self._versions[number - 1],
            aliases=find_aliases(standing.targets, number),
            archived=number in standing.archived,
        )

    def by_ref(self, ref: str) -> Version:
        """By number, alias or "latest"."""
        if ref == "latest":
            return self._latest()
        if ref.isdigit():
            return self.by_number(int(ref))

        number = resolve_aliases(self.alias_changes).get(ref)
        if number is None:
            raise AliasNotFound(f"optimizer {self._optimizer!r} has no alias {ref!r}")
        return self.by_number(number)

    def by_key(self, key: str, sha256: str) -> Version | None:
        """The version with this key, if there is one; RegistryError if it is another Θ."""
        if key not in self._numbers_by_key:
            return None

        version = self.by_number(self._numbers_by_key[key])
        if version.sha256 != sha256:
            raise RegistryError(
                f"key {key!r} was used before for another Θ, {self._optimizer}@{version.number}"
            )
        return version

    def file(self, number: int) -> bytes:
        self._check(number)
        return self._files[number - 1]

    def _latest(self) -> Version:
        for version in self.newest_first():
            if not version.archived:
                return version
        raise VersionNotFound(f"every version of optimizer {self._optimizer!r} is archived")

    def _check(self, number: int) -> None:
        is_there = 1 <= number <= len(self._versions)
        if not is_there or number in self.standing.deleted:
            raise VersionNotFound(f"optimizer {self._optimizer!r} has no version {number}")
