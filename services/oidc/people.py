"""The people that the issuer vouched for: who they are, and what they may do by its newest word.

A token is worth what it says until it ends. What outlives it, a session of a browser and jobs in
the queue or at work, acts by the newest word that any token brought, for some days at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.auth.names import make_person_id, may_be_person
from services.auth.scopes import Principal, add_implied
from services.auth.tables import ApiKey
from services.database.base import Database, now
from services.oidc.groups import Places
from services.oidc.tables import Person
from services.oidc.tokens import Claims

NOTE_SECONDS: Final = 60.0
"""What is noted of a person already is noted again after so long."""
MAX_REMEMBERED: Final = 4096


class NameTaken(Exception):
    """An API key from before has the very name of the person."""


class People:
    """The people in one database. Thread-safe.

    Args:
        keep_days: how long rights outlive the token that told of them, for jobs.
    """

    def __init__(
        self, database: Database, keep_days: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._keep = timedelta(days=keep_days)
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: dict[tuple[str, str, datetime], float] = {}
        """Id, rights and the word's time → when to note it again."""

    def is_noted(self, claims: Claims, places: Places) -> bool:
        """Whether this very word was noted a moment ago. Never blocks."""
        with self._lock:
            note_again_at = self._noted.get(_describe_word(claims, places), float("-inf"))
        return self._clock() < note_again_at

    def note(self, claims: Claims, places: Places) -> None:
        """Keep what the issuer says now, unless something newer is known.

        Raises:
            NameTaken: a key has the person's name.
        """
        try:
            self._write(claims, places)
        except IntegrityError:  # another process met the person at the same moment
            self._write(claims, places)
        with self._lock:
            if len(self._noted) >= MAX_REMEMBERED:
                self._noted.clear()
            self._noted[_describe_word(claims, places)] = self._clock() + NOTE_SECONDS

    def find(self, person_id: str, until: datetime) -> Principal | None:
        """A person by the issuer's newest word; None: that is too old, or gives no right.

        Args:
            until: when the session ends that the person acts in.
        """
        with self._database.read() as session:
            person = session.get(Person, person_id)
        if person is None or find_end(person) is not None:
            return None
        return make_principal(person, until)

    def _write(self, claims: Claims, places: Places) -> None:
        person_id = make_person_id(claims.name)
        rights_until = max(claims.issued_at + self._keep, claims.expires_at)
        if places == {}:
            rights_until = min(claims.issued_at, now())
        with self._database.write() as session:
            person = session.get(Person, person_id, with_for_update=True)
            if person is None:
                if session.scalar(select(ApiKey.id).where(ApiKey.name == claims.name).limit(1)):
                    raise NameTaken
                person = Person(id=person_id, name=claims.name)
                session.add(person)
            elif claims.issued_at < person.vouched_at:
                return
            person.full_name = claims.full_name
            person.rights = write_rights(places)
            person.vouched_at = claims.issued_at
            person.rights_until = rights_until


def make_principal(person: Person, until: datetime) -> Principal:
    """The person, who may act so until then."""
    return Principal.of_person(
        person.id, person.name, person.full_name, read_rights(person.rights), until
    )


def find_end(person: Person) -> str | None:
    """How the person's rights came to their end; None: they are valid."""
    if now() < person.rights_until:
        return None
    return f"was vouched for last by the issuer at {person.vouched_at:%Y-%m-%d %H:%M} UTC"


def list_ended(session: Session) -> dict[str, str]:
    """People whose rights are over, by id, and how that came."""
    ends = {}
    for person in session.scalars(select(Person).where(Person.rights_until <= now())):
        ends[person.id] = find_end(person) or ""
    return ends


def find_full_names(session: Session, actors: Iterable[str]) -> dict[str, str]:
    """What the issuer calls those of the actors who are people, by the name that they act by."""
    names = {actor for actor in actors if may_be_person(actor)}
    if not names:
        return {}
    people = session.scalars(select(Person).where(Person.name.in_(names)))
    return {person.name: person.full_name for person in people}


def write_rights(places: Places) -> dict[str, Any]:
    """As they stand in the table."""
    if places is None:
        return {"projects": None}
    return {"projects": {project: sorted(places[project]) for project in sorted(places)}}


def read_rights(rights: Mapping[str, Any]) -> Places:
    """What `write_rights` wrote."""
    projects = rights["projects"]
    if projects is None:
        return None
    return {project: add_implied(scopes) for project, scopes in projects.items()}


def _describe_word(claims: Claims, places: Places) -> tuple[str, str, datetime]:
    return claims.name, str(write_rights(places)), claims.issued_at
