"""Making an API key once, however often its request arrives."""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.auth.schemas import KeyRequest
from services.auth.service import NewKey
from services.auth.tables import ApiKey
from services.container import Container
from services.idempotency.service import Post, hash_body
from services.problems import NotFound, invalid


def make_key(services: Container, request: KeyRequest, post: Post) -> tuple[ApiKey, str | None]:
    """What is kept of the key, and the key itself, if it was this call that made it.

    Raises:
        Problem: 422 when it would have expired already, or the idempotency key was used with
            another body.
    """
    body_sha256 = hash_body(request)
    earlier_id = post.find_earlier(services.database, body_sha256)
    if earlier_id is not None:
        return _load_record(services, earlier_id), None

    new = _draw_key(services, request)

    def insert(session: Session) -> str:
        session.add(new.record)
        return new.key

    outcome = post.run_once(services.database, body_sha256, new.record.id, insert)
    if outcome.result is not None:
        return new.record, outcome.result
    return _load_record(services, outcome.resource), None


def _draw_key(services: Container, request: KeyRequest) -> NewKey:
    if not services.reach.has_project(request.project):
        raise invalid("project", f"there is no project {request.project!r}")
    try:
        return services.api_keys.draw(
            request.name,
            sorted(request.scopes),
            expires_at=request.expires_at,
            project=request.project,
        )
    except ValueError as error:
        raise invalid("expires_at", str(error)) from error


def _load_record(services: Container, key_id: str) -> ApiKey:
    record = services.api_keys.get(key_id)
    if record is None:
        raise NotFound(f"no API key has the id {key_id!r}")
    return record
