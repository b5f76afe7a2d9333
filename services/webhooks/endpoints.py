"""`GET /v1/jobs/{id}/webhook`: what became of the messages about a job's end."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy import select

from services.auth.dependencies import require
from services.container import Services
from services.jobs import views
from services.strict_routes import StrictRoute
from services.webhooks.hosts import parse_target
from services.webhooks.tables import Delivery

MAX_SHOWN: Final = 200

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"], route_class=StrictRoute)


class DeliveryAnswer(BaseModel):
    """One message."""

    id: str
    """As the receiver gets it in `webhook-id`."""
    created_at: datetime
    tries: int
    next_at: datetime | None
    """The next try; null: it was delivered, or given up."""
    delivered_at: datetime | None
    error: str | None
    """Of the last try that failed."""


class WebhookAnswer(BaseModel):
    """Where a job's end is told; the rest of the URL may be a secret, and is not shown."""

    host: str | None
    """Null: nowhere."""
    deliveries: list[DeliveryAnswer]


@router.get("/webhook", dependencies=[Depends(require("read"))])
def show_webhook(job_id: str, services: Services) -> WebhookAnswer:
    """Where the job's end is told, and what became of each message."""
    with services.database.read() as session:
        job = views.require_job(session, job_id)
        query = select(Delivery).where(Delivery.job_id == job_id)
        rows = list(session.scalars(query.order_by(Delivery.created_at).limit(MAX_SHOWN)))
    answers = [
        DeliveryAnswer(
            id=row.id,
            created_at=row.created_at,
            tries=row.n_tries,
            next_at=row.next_at,
            delivered_at=row.delivered_at,
            error=row.error,
        )
        for row in rows
    ]
    host = parse_target(job.webhook).authority if job.webhook else None
    return WebhookAnswer(host=host, deliveries=answers)
