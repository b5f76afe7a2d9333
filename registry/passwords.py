"""Passwords of tracking URIs travel apart from them: URIs are shown and logged."""

from __future__ import annotations

from sqlalchemy.engine import make_url


def without_password(uri: str) -> tuple[str, str]:
    """The URI without its password, and the password; empty when it has none."""
    if "@" not in uri:
        return uri, ""
    parsed = make_url(uri)
    if not parsed.password:
        return uri, ""
    bare = parsed._replace(password=None)
    return bare.render_as_string(hide_password=False), str(parsed.password)


def with_password(uri: str, password: str) -> str:
    """The URI with the password, unless it has one of its own.

    Raises:
        ValueError: it names no user whose password that could be.
    """
    parsed = make_url(uri)
    if parsed.password:
        return uri
    if not parsed.username:
        raise ValueError(
            "a URI with a password needs a user, as in postgresql+psycopg://user@host/database"
        )
    return parsed.set(password=password).render_as_string(hide_password=False)
