"""What a registry raises on purpose; services map each of these to a problem of their own."""

from __future__ import annotations

from typing import Self

from hyperadam import pretrained_names


class RegistryError(Exception):
    """Base of everything that a registry raises on purpose."""


class RunNotFound(RegistryError):
    """No run has that id."""


class ArtifactNotFound(RegistryError):
    """The run has no artifact of that name."""


class OptimizerNotFound(RegistryError):
    """No version was ever created under that name."""

    @classmethod
    def named(cls, optimizer: str) -> Self:
        """That nobody sees one of this name, and how to get one that comes with the client."""
        if optimizer not in pretrained_names():
            return cls(f"no optimizer is named {optimizer!r}")
        return cls(
            f"no optimizer is named {optimizer!r} here; `hyperadam push {optimizer}` registers the "
            "one that comes with the package"
        )


class VersionNotFound(RegistryError):
    """The optimizer has no such version."""


class VersionInUse(RegistryError):
    """An alias points at the version that was to be put away."""


class VersionArchived(RegistryError):
    """No alias may point at an archived version."""


class AliasNotFound(RegistryError):
    """The optimizer has no such alias."""


class AliasProtected(RegistryError):
    """Only `promote` moves that alias."""


class AliasMoved(RegistryError):
    """The alias does not point where the caller saw it."""
