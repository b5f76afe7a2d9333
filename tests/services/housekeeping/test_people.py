"""People whom nobody has seen for long go; who is shown anywhere stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from registry.memory import InMemoryRegistry
from services.audit.tables import AuditedRequest
from services.auth.tables import BrowserSession
from services.database.base import Database, now
from services.datasets.tables import RegisteredDataset
from services.housekeeping.keeper import Housekeeper
from services.housekeeping.people import prune_people
from services.jobs.tables import Job
from services.oidc.tables import Person
from services.optimizers.tables import OptimizerName
from services.settings import Settings
from tests.services.support import Stage

NAME = "https://login.example.com ada"
ID = "person_" + "a" * 32


def add_person(
    database: Database,
    vouched_days: float,
    rights_days: float,
    name: str = NAME,
    person_id: str = ID,
) -> None:
    """Somebody whose last word and whose rights' end lie so many days in the past."""
    with database.write() as session:
        person = Person(
            id=person_id,
            name=name,
            full_name="Ada",
            rights={"projects": {"default": ["read"]}},
            vouched_at=now() - timedelta(days=vouched_days),
            rights_until=now() - timedelta(days=rights_days),
        )
        session.add(person)


def list_people(database: Database) -> list[str]:
    with database.read() as session:
        return sorted(person.id for person in session.query(Person))


def prune(database: Database, *, dry: bool = False) -> int:
    cut = now() - timedelta(days=100)
    return prune_people(database, cut, write=None, dry=dry).n_items


def test_who_was_not_seen_for_long_goes(database: Database) -> None:
    add_person(database, 101, 101)
    add_person(database, 99, 99, "https://login.example.com bob", "person_b")
    assert prune(database, dry=True) == 1
    assert list_people(database) == [ID, "person_b"]
    assert prune(database) == 1
    assert list_people(database) == ["person_b"]


def test_whose_rights_last_longer_stays(database: Database) -> None:
    """As with a token that lives for a year."""
    add_person(database, 101, 1)
    assert prune(database) == 0
    assert list_people(database) == [ID]


def audit(session: Session) -> None:
    session.add(
        AuditedRequest(
            time=now(),
            actor=NAME,
            key_id=ID,
            project="default",
            method="GET",
            path="/v1/sign-in/callback",
            status=303,
            client="127.0.0.1",
            request_id="r",
        )
    )


def own_optimizer(session: Session) -> None:
    session.add(OptimizerName(name="mine", owner=NAME, claimed_at=now()))


def own_dataset(session: Session) -> None:
    dataset = RegisteredDataset(
        name="mine",
        sha256="0" * 64,
        n_bytes=1,
        title="",
        form={},
        owner=NAME,
        created_at=now(),
        used_at=now(),
    )
    session.add(dataset)


def open_session(session: Session) -> None:
    end = now() + timedelta(hours=1)
    session.add(BrowserSession(hash="0" * 64, key_id=ID, created_at=now(), expires_at=end))


@pytest.mark.parametrize("refer", [audit, own_optimizer, own_dataset, open_session])
def test_who_is_referred_to_stays(database: Database, refer: Callable[[Session], None]) -> None:
    add_person(database, 101, 101)
    with database.write() as session:
        refer(session)
    assert prune(database, dry=True) == prune(database) == 0
    assert list_people(database) == [ID]


def test_who_submitted_a_job_stays_as_long_as_it(stage: Stage, database: Database) -> None:
    add_person(database, 101, 101)
    job = stage.submit()
    with database.write() as session:
        row = session.query(Job).filter(Job.id == job).one()
        row.actor = NAME
    assert prune(database) == 0
    with database.write() as session:
        session.query(Job).filter(Job.id == job).one().actor = "another"
    assert prune(database) == 1


@pytest.mark.parametrize(("days", "left"), [(180.0, []), (0.0, [ID])])
def test_the_reconciler_does_it_by_the_setting(
    settings: Settings, database: Database, registry: InMemoryRegistry, days: float, left: list[str]
) -> None:
    assert settings.keep_people_days == 180.0
    add_person(database, 181, 181)
    kept = settings.model_copy(update={"keep_people_days": days})
    Housekeeper(kept, database, registry, database.write).step()
    assert list_people(database) == left
