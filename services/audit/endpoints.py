"""`GET /v1/audit/requests`: who asked for what, from where."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import select

from services.audit.tables import AuditedRequest
from services.auth.dependencies import Principal, require
from services.container import Services
from services.jobs.filters import check_moment
from services.oidc.people import find_full_names
from services.projects.tables import PROJECT_PATTERN
from services.strict_routes import StrictRoute

router = APIRouter(prefix="/v1/audit", tags=["system"], route_class=StrictRoute)

ADMIN: Final = Depends(require("admin"))
_PLAIN: Final = r"^[^\x00-\x1f\x7f]{1,200}$"
Text = Annotated[str | None, Query(pattern=_PLAIN)]
Moment = Annotated[AwareDatetime | None, Query(), AfterValidator(check_moment)]
Cursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before")
]


class RequestAnswer(BaseModel):
    """One request that changed something, or was refused to."""

    model_config = ConfigDict(from_attributes=True)

    time: datetime
    actor: str
    actor_full_name: str | None = None
    """What the issuer calls a person; null for an API key."""
    key_id: str
    """Of the API key, or of the person."""
    project: str
    method: str
    path: str
    subject: str | None
    """What was made, where the path does not name it."""
    status: int
    client: str
    """Address that it came from."""
    request_id: str


class RequestList(BaseModel):
    """Newest first."""

    items: list[RequestAnswer]
    next_cursor: str | None


@router.get("/requests", dependencies=[ADMIN])
def list_requests(
    services: Services,
    principal: Annotated[Principal, ADMIN],
    actor: Annotated[Text, Query(description="Name of a key, or of a person")] = None,
    project: Annotated[str | None, Query(pattern=PROJECT_PATTERN)] = None,
    about: Annotated[Text, Query(description="Part of the path, or of what was made")] = None,
    after: Moment = None,
    before: Moment = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> RequestList:
    """Requests that changed something or were refused to, newest first: who, what, when, and from
    where. Requests without a valid key are in the server's log alone."""
    row = AuditedRequest
    query = select(row).order_by(row.seq.desc()).limit(limit + 1)
    seen = principal.choose(project)
    if seen is not None:
        query = query.where(row.project.in_(seen))
    if actor is not None:
        query = query.where(row.actor == actor)
    if about is not None:
        in_path = row.path.contains(about, autoescape=True)
        query = query.where(in_path | row.subject.contains(about, autoescape=True))
    if after is not None:
        query = query.where(row.time >= after)
    if before is not None:
        query = query.where(row.time < before)
    if cursor is not None:
        query = query.where(row.seq < int(cursor))
    with services.database.read() as session:
        rows = list(session.scalars(query))
        full_names = find_full_names(session, [each.actor for each in rows])
    items = [
        RequestAnswer.model_validate(each).model_copy(
            update={"actor_full_name": full_names.get(each.actor)}
        )
        for each in rows[:limit]
    ]
    next_cursor = str(rows[limit - 1].seq) if len(rows) > limit else None
    return RequestList(items=items, next_cursor=next_cursor)
