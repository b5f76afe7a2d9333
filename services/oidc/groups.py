"""From groups of the issuer to what their people may do, and in which projects.

The setting is a JSON object: for each group the projects with a scope in each, or `"admin"`, which
is of the whole service.

    {"ml-vision": {"vision": "submit", "shared": "read"}, "platform": "admin"}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from hyperadam import strict_json
from sqlalchemy import select

from services.auth.scopes import SCOPES, Scope, add_implied
from services.database.base import Database
from services.near_names import find_near
from services.oidc.settings import OidcSettings
from services.projects.tables import PROJECT_PATTERN, Project

ADMIN: Final = "admin"
MAX_BYTES: Final = 1 << 20
_IN_A_PROJECT: Final = tuple(scope for scope in SCOPES if scope != ADMIN)

Places = Mapping[str, frozenset[Scope]] | None
"""What somebody may do in each project, as in `Principal.places`. None: everything, everywhere."""


class UnknownProject(ValueError):
    """The setting names a project that is not there."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The setting, read."""

    places: Mapping[str, Places]
    """Of each group."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """
        Raises:
            ValueError: it is no such object; the group that is wrong is named.
        """
        try:
            content = strict_json.loads(text.encode(), max_bytes=MAX_BYTES) if text else {}
        except strict_json.StrictJSONError as error:
            raise ValueError(f"must be a JSON object: {error}") from error
        if not isinstance(content, dict):
            raise ValueError('must be a JSON object such as {"ml-team": {"vision": "submit"}}')
        return cls(places={group: _read_rights(group, content[group]) for group in content})

    def join(self, groups: Iterable[str]) -> Places:
        """What somebody of all these groups may do; groups that are not mapped add nothing."""
        joined: dict[str, frozenset[Scope]] = {}
        for group in groups:
            places = self.places.get(group, {})
            if places is None:
                return None
            for project, scopes in places.items():
                joined[project] = joined.get(project, frozenset()) | scopes
        return joined

    def check_projects(self, database: Database) -> None:
        """
        Raises:
            UnknownProject: one of the projects is not there.
        """
        with database.read() as session:
            known = set(session.scalars(select(Project.name)))
        for group, places in self.places.items():
            for project in sorted(set(places or ()) - known):
                near = find_near(project, known)
                hint = f": did you mean {near!r}?" if near else "; make it first"
                raise UnknownProject(f"group {group!r}: there is no project {project!r}{hint}")


def check_groups(settings: OidcSettings, database: Database) -> None:
    """What the setting says of projects, before anybody relies on it.

    Raises:
        UnknownProject: one of them is not there.
    """
    try:
        Groups.from_text(settings.oidc_groups).check_projects(database)
    except UnknownProject as error:
        raise UnknownProject(f"oidc_groups: {error}") from error


def _read_rights(group: str, rights: Any) -> Places:
    if rights == ADMIN:
        return None
    if not isinstance(rights, dict) or not rights:
        raise ValueError(f'group {group!r}: must be "admin", or an object of projects and scopes')
    return {project: _read_scope(group, project, rights[project]) for project in rights}


def _read_scope(group: str, project: str, scope: Any) -> frozenset[Scope]:
    if not re.fullmatch(PROJECT_PATTERN, project):
        raise ValueError(f"group {group!r}: no project can be named {project!r}")
    if scope == ADMIN:
        raise ValueError(
            f"group {group!r}: the scope 'admin' is of the whole service, not of {project!r}: "
            'give the group "admin" itself'
        )
    if scope not in _IN_A_PROJECT:
        expected = " or ".join(_IN_A_PROJECT)
        raise ValueError(f"group {group!r}, project {project!r}: must be {expected}, got {scope!r}")
    return add_implied([scope])
