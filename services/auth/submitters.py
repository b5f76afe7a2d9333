"""Who submitted a job, as they are now: asked again when the job acts, hours later.

It is an API key, or a person of the issuer by the newest word that it gave of them.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.auth import validity
from services.auth.scopes import Principal
from services.auth.service import make_principal
from services.auth.tables import ApiKey
from services.jobs.tables import Job
from services.oidc import people
from services.oidc.tables import Person


def find_submitter(session: Session, job: Job) -> Principal | None:
    """Who submitted the job, acting in its project; None: nobody knows, or it may no longer act
    there."""
    principal = _find_principal(session, job.api_key_id)
    if principal is None or not principal.sees(job.project):
        return None
    return principal.enter(job.project)


def find_end(session: Session, job: Job) -> str | None:
    """How the rights of who submitted it came to their end, as a sentence without its full stop;
    None: they are valid, or nobody knows whose they are."""
    return list_ended(session).get(job.api_key_id or "")


def list_ended(session: Session) -> dict[str, str]:
    """Those who may do nothing any more, by id, and how that came, as a sentence."""
    keys = validity.list_ended(session)
    ends = {key_id: f"the API key that submitted it {keys[key_id]}" for key_id in keys}
    for person_id, end in people.list_ended(session).items():
        ends[person_id] = f"who submitted it {end}"
    return ends


def _find_principal(session: Session, holder_id: str | None) -> Principal | None:
    if holder_id is None:
        return None
    key = session.get(ApiKey, holder_id)
    if key is not None:
        return make_principal(key)
    person = session.get(Person, holder_id)
    if person is None or people.find_end(person) is not None:
        return None
    return people.make_principal(person, person.rights_until)
