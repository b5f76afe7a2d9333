"""Versions that a principal sees, as whoever looks up references by name finds them."""

from __future__ import annotations

from typing import Protocol

from registry import OptimizerNotFound, Registry, Version
from services.auth.scopes import Principal
from services.projects.reach import Reach


class VersionSource(Protocol):
    """Finds versions by reference: a registry, or what is seen of it."""

    def version(self, name: str, ref: str) -> Version:
        """The version behind a number, an alias or `latest`."""
        ...


class SeenVersions:
    """Of a registry, what a principal sees: of another project's there is nothing."""

    def __init__(self, registry: Registry, reach: Reach, principal: Principal) -> None:
        self._registry = registry
        self._reach = reach
        self._principal = principal

    def version(self, name: str, ref: str) -> Version:
        """
        Raises:
            OptimizerNotFound: it has none, or is of a project that is not seen.
            VersionNotFound, AliasNotFound: the optimizer has no such version.
        """
        if not self._reach.sees_name(name, self._principal):
            raise OptimizerNotFound.named(name)
        return self._registry.version(name, ref)
