"""Making an API key once, however often its request arrives."""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.auth.schemas import KeyRequest
from services.auth.tables import ApiKey
from services.container import Container
from services.idempotency.service import Post, digest
from services.problems import NotFound, invalid


def make_key(services: Container, request: KeyRequest, post: Post) -> tuple[ApiKey, str | None]:
    """What is kept of the key, and the key itself, if it was this call that made it.

    Raises:
        Problem: 422 when it would have expired already, or the idempotency key was used with
            another body.
    """
    body_sha256 = digest(request)
    earlier = post.earlier(services.database, body_sha256)
    if earlier is None:
        try:
            new = services.api_keys.new(
                request.name, sorted(request.scopes), expires_at=request.expires_at
            )
        except ValueError as error:
            raise invalid("expires_at", str(error)) from error

        def insert(session: Session) -> str:
            session.add(new.record)
            return new.key

        done = post.once(services.database, body_sha256, new.record.id, insert)
        if done.made is not None:
            return new.record, done.made
        earlier = done.resource
    record = services.api_keys.get(earlier)
    if record is None:
        raise NotFound(f"no API key has the id {earlier!r}")
    return record, None
