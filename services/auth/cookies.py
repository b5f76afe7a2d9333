"""The cookie of a browser's session, and what keeps other sites from using it.

Other sites' requests do not carry the cookie (`SameSite=Strict`). What changes something must also
have a header that a form of another site cannot set, and that this service lets no script of
another site send.
"""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from services.auth.sessions import NewSession
from services.database.base import now
from services.problems import Forbidden

COOKIE: Final = "hyperadam_session"
HEADER: Final = "X-Requested-With"
HEADER_VALUE: Final = "hyperadam"
READ_METHODS: Final = frozenset({"GET", "HEAD"})
_OWN_PAGES: Final = frozenset({"same-origin", "none"})
"""`Sec-Fetch-Site` of a request of this service's own pages, or of a person."""


def set_cookie(request: Request, response: Response, new: NewSession) -> None:
    """Let the browser keep the session; it is sent over HTTPS alone where it came by HTTPS."""
    response.set_cookie(
        COOKIE,
        new.token,
        max_age=int((new.expires_at - now()).total_seconds()),
        path=_name_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def delete_cookie(request: Request, response: Response) -> None:
    """Let the browser forget the session."""
    response.delete_cookie(
        COOKIE,
        path=_name_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def check_origin(request: Request) -> None:
    """Refuse what another site may have made the browser send.

    Raises:
        Problem: 403.
    """
    if request.method in READ_METHODS:
        return
    is_asked_for = request.headers.get(HEADER) == HEADER_VALUE
    is_own_page = request.headers.get("Sec-Fetch-Site", "none") in _OWN_PAGES
    if not (is_asked_for and is_own_page):
        raise Forbidden(
            "With a session's cookie, what changes something needs the header "
            f"'{HEADER}: {HEADER_VALUE}', from a page of this service."
        )


def _name_path(request: Request) -> str:
    """Where the cookie is sent: to the API alone."""
    return f"{request.scope.get('root_path', '')}/v1"
