"""The deliveries that are due, and what becomes of each: rules and rows, no network."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from services.database.base import now
from services.jobs.tables import Job
from services.webhooks.tables import Delivery

PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)
)
"""Between one try and the next; after the last of them it is given up."""
LONGEST_WAIT: Final = timedelta(hours=25)
"""A later moment was written by a clock that was ahead."""
BATCH: Final = 20


def add_delivery(session: Session, job: Job, url: str) -> None:
    """The job has ended: tell it, from this transaction's end on."""
    moment = now()
    session.add(
        Delivery(
            id=f"msg_{secrets.token_hex(12)}",
            job_id=job.id,
            url=url,
            body=json.dumps(describe_end(job, moment), separators=(",", ":")),
            created_at=moment,
            n_tries=0,
            next_at=moment,
        )
    )


def describe_end(job: Job, moment: datetime) -> dict[str, Any]:
    """What a receiver is told."""
    data = {
        "id": job.id,
        "kind": job.kind,
        "name": job.name,
        "labels": dict(job.labels),
        "state": str(job.state),
        "attempt": job.attempt,
        "error": job.error,
        "version": job.version,
    }
    return {"type": "job.ended", "timestamp": moment.isoformat(), "data": data}


def list_due(session: Session, moment: datetime) -> list[Delivery]:
    """Those that are to be tried now: of each project the one that is due for longest. So many
    deliveries of one project keep another waiting for one of them at most."""
    is_due = or_(Delivery.next_at <= moment, Delivery.next_at > moment + LONGEST_WAIT)
    place = func.row_number().over(partition_by=Job.project, order_by=Delivery.next_at)
    ranked = (
        select(Delivery.id, place.label("place"))
        .join(Job, Job.id == Delivery.job_id)
        .where(is_due)
        .subquery()
    )
    query = select(Delivery).join(ranked, (ranked.c.id == Delivery.id) & (ranked.c.place == 1))
    return list(session.scalars(query.order_by(Delivery.next_at).limit(BATCH)))


def record_success(session: Session, delivery_id: str) -> None:
    """It was taken."""
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is not None:
        delivery.n_tries += 1
        delivery.delivered_at = now()
        delivery.next_at = None
        delivery.error = None


def record_failure(session: Session, delivery_id: str, error: str, *, is_final: bool) -> None:
    """It was not; another try follows, or it is given up."""
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None:
        return
    delivery.n_tries += 1
    delivery.error = error
    has_more = delivery.n_tries <= len(PAUSES) and not is_final
    delivery.next_at = now() + PAUSES[delivery.n_tries - 1] if has_more else None
