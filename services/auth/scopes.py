"""What who asks may do, and in which projects. Scopes are ordered: `admin` implies `submit`, which
implies `read`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, Self, get_args

Scope = Literal["read", "submit", "admin"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""Each one implies those before it."""

DEFAULT_PROJECT: Final = "default"
"""Of what was there before there were projects, and of whatever names none."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks, and where."""

    key_id: str
    """Of the API key, or of the person."""
    name: str
    """Stands in jobs, histories and the audit log, and owns names."""
    scopes: frozenset[Scope]
    """In the project where it acts, with everything that they imply."""
    project: str
    """Where it acts: what it makes belongs there."""
    places: Mapping[str, frozenset[Scope]] | None
    """What it may do in each project that it sees; None: the same in all that there are."""
    full_name: str | None = None
    """What the issuer calls a person; None: it is the holder of an API key."""
    until: datetime | None = None
    """When a person's token or session ends; None: when the API key does."""

    @classmethod
    def of_key(cls, key_id: str, name: str, scopes: Iterable[str], project: str) -> Self:
        """The holder of a key: of its project alone, unless it has the scope `admin`."""
        implied = add_implied(scopes)
        places = None if "admin" in implied else {project: implied}
        return cls(key_id=key_id, name=name, scopes=implied, project=project, places=places)

    @classmethod
    def of_person(
        cls,
        person_id: str,
        name: str,
        full_name: str,
        places: Mapping[str, frozenset[Scope]] | None,
        until: datetime,
    ) -> Self:
        """Somebody whom the issuer vouches for. Of several projects it acts in `default`, or in the
        first by name, unless it chooses one."""
        project = DEFAULT_PROJECT
        scopes = add_implied(["admin"])
        if places is not None:
            project = min(places, key=lambda name: (name != DEFAULT_PROJECT, name))
            scopes = places[project]
        return cls(
            key_id=person_id,
            name=name,
            scopes=scopes,
            project=project,
            places=places,
            full_name=full_name,
            until=until,
        )

    def __str__(self) -> str:
        """At the beginning of a sentence."""
        if self.full_name is None:
            return f"The API key {self.name!r}"
        return f"{self.full_name!r} ({self.name})"

    def sees(self, project: str) -> bool:
        """Whether anything of the project is for it to see."""
        return self.places is None or project in self.places

    def choose(self, project: str | None = None) -> frozenset[str] | None:
        """The projects whose things are listed for it: those that it sees, or of them the one that
        was asked for. None: all that there are."""
        if project is not None:
            return frozenset([project] if self.sees(project) else [])
        return None if self.places is None else frozenset(self.places)

    def enter(self, project: str) -> Self:
        """The same, acting in a project that it sees."""
        scopes = self.scopes if self.places is None else self.places[project]
        return replace(self, project=project, scopes=scopes)

    def confine(self, project: str) -> Self:
        """The same, acting in a project that it sees, and seeing no other."""
        inside = self.enter(project)
        return replace(inside, places={project: inside.scopes})


def add_implied(scopes: Iterable[str]) -> frozenset[Scope]:
    """The scopes and all that they imply.

    Raises:
        ValueError: an unknown scope.
    """
    scopes = set(scopes)
    unknown = sorted(scopes - set(SCOPES))
    if unknown:
        raise ValueError(f"scopes must be of {', '.join(SCOPES)}, got {', '.join(unknown)}")

    ranks = [rank for rank, scope in enumerate(SCOPES) if scope in scopes]
    if not ranks:
        return frozenset()
    return frozenset(SCOPES[: max(ranks) + 1])
