"""People of the issuer whom nobody has seen for long, and whom nothing refers to.

A row holds the name that people know somebody by. It stays as long as a job, a row of the audit log
or a thing that the person owns shows it, and as long as a session or rights of the person last.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, select

from services.audit.tables import AuditedRequest
from services.auth.tables import BrowserSession
from services.database.base import Database
from services.datasets.tables import RegisteredDataset
from services.housekeeping.ended_jobs import Write
from services.housekeeping.findings import Finding
from services.jobs.tables import Job
from services.oidc.tables import Person
from services.optimizers.tables import OptimizerName


def prune_people(database: Database, cut: datetime, *, write: Write | None, dry: bool) -> Finding:
    """Remove those for whom the issuer vouched last before `cut`, and whose rights ended before
    it."""
    may_go = _may_go(cut)
    with database.read() as session:
        query = select(func.count()).select_from(Person).where(may_go)
        n_people = session.scalar(query) or 0
    if n_people and not dry:
        with (write or database.write)() as session:
            session.execute(delete(Person).where(may_go))
    return Finding(category="people", n_items=n_people, unit="people")


def _may_go(cut: datetime) -> ColumnElement[bool]:
    return and_(
        Person.vouched_at < cut,
        Person.rights_until < cut,
        ~exists().where(AuditedRequest.actor == Person.name),
        Person.name.not_in(select(Job.actor)),
        Person.name.not_in(select(RegisteredDataset.owner)),
        Person.name.not_in(select(OptimizerName.owner)),
        ~exists().where(BrowserSession.key_id == Person.id),
    )
