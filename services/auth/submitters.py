"""Who submitted a job, as they are now: asked again when the job acts, hours later."""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.auth.scopes import Principal
from services.auth.service import make_principal
from services.auth.tables import ApiKey
from services.jobs.tables import Job


def find_submitter(session: Session, job: Job) -> Principal | None:
    """Who submitted the job, acting in its project; None: nobody knows, or it may no longer act
    there."""
    key = find_key(session, job)
    if key is None:
        return None
    principal = make_principal(key)
    return principal.enter(job.project) if principal.sees(job.project) else None


def find_key(session: Session, job: Job) -> ApiKey | None:
    """The key that submitted it; None: it was not recorded."""
    return session.get(ApiKey, job.api_key_id) if job.api_key_id else None
