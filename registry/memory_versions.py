"""The versions of one optimizer in memory, and the log of its aliases. The registry around them
keeps other threads out."""

from __future__ import annotations

from dataclasses import replace

from registry.alias_log import find_aliases, resolve_aliases
from registry.errors import AliasNotFound, RegistryError, VersionNotFound
from registry.records import AliasChange, Version


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

    @property
    def next_number(self) -> int:
        return len(self._versions) + 1

    def append(self, version: Version, file: bytes, key: str) -> None:
        self._versions.append(version)
        self._files.append(file)
        self._numbers_by_key[key] = version.number

    def replace(self, version: Version) -> None:
        """Put what people say about a version in the place of what was said before."""
        self._versions[version.number - 1] = replace(version, aliases=())

    def newest_first(self) -> list[Version]:
        return [self.by_number(number) for number in range(len(self._versions), 0, -1)]

    def by_number(self, number: int) -> Version:
        self._check(number)
        aliases = find_aliases(resolve_aliases(self.alias_changes), number)
        return replace(self._versions[number - 1], aliases=aliases)

    def by_ref(self, ref: str) -> Version:
        """By number, alias or "latest"."""
        if ref == "latest":
            return self.by_number(len(self._versions))
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

    def _check(self, number: int) -> None:
        if not 1 <= number <= len(self._versions):
            raise VersionNotFound(f"optimizer {self._optimizer!r} has no version {number}")
