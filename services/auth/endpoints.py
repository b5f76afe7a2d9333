"""REST calls about API keys, and the sessions of browsers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from services.auth import cookies
from services.auth.dependencies import Principal, require
from services.auth.making import make_key
from services.auth.schemas import (
    KeyAnswer,
    KeyList,
    KeyRequest,
    NewKeyAnswer,
    SelfAnswer,
    SessionAnswer,
)
from services.auth.scopes import SCOPES, Scope
from services.container import Services
from services.idempotency.dependencies import AdminPost
from services.pages import PageCursor, PageLimit, cut_page
from services.problems import Forbidden, NotFound
from services.strict_routes import StrictRoute

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=StrictRoute)
sessions = APIRouter(prefix="/v1/session", tags=["session"], route_class=StrictRoute)

Admin = Depends(require("admin"))
Reader = Annotated[Principal, Depends(require("read"))]
KeyId = Annotated[str, Path(pattern=r"^[a-z0-9]{8}$")]


@router.get("/self")
def show_self(principal: Reader) -> SelfAnswer:
    """The key or person that asks, and what it may do."""
    return SelfAnswer(
        id=principal.key_id,
        name=principal.name,
        full_name=principal.full_name,
        scopes=_list_scopes(principal),
        project=principal.project,
        sees_all=principal.places is None,
    )


def _list_scopes(principal: Principal) -> list[Scope]:
    return [scope for scope in SCOPES if scope in principal.scopes]


@router.get("", dependencies=[Admin])
def list_keys(services: Services, cursor: PageCursor = None, limit: PageLimit = 200) -> KeyList:
    """Keys, revoked ones too, oldest first."""
    page = cut_page(services.api_keys.list(), cursor, limit)
    items = [KeyAnswer.of(record) for record in page.items]
    return KeyList(items=items, next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=201,
    responses={200: {"model": NewKeyAnswer, "description": "A repeat; `key` is null"}},
)
def create(
    body: KeyRequest, request: Request, services: Services, post: AdminPost, response: Response
) -> NewKeyAnswer:
    """Make a key. The answer is the only one that ever holds it: a repeat with the same
    `Idempotency-Key` tells of the same key, without its secret."""
    record, key = make_key(services, body, post)
    request.state.subject = f"key {record.id} of {record.name}"

    response.status_code = 201 if key is not None else 200
    response.headers["Cache-Control"] = "no-store"
    return NewKeyAnswer(**KeyAnswer.of(record).model_dump(), key=key)


@router.delete("/{key_id}", status_code=204, dependencies=[Admin])
def revoke(key_id: KeyId, services: Services) -> None:
    """Revoke a key. The other processes of the service follow within seconds."""
    if not services.api_keys.revoke(key_id):
        raise NotFound(f"no API key has the id {key_id!r}")


@sessions.put("")
def sign_in(
    request: Request, response: Response, services: Services, principal: Reader
) -> SessionAnswer:
    """Open a session with the key in the header `Authorization`: the answer sets its cookie, which
    scripts cannot read. It lasts for some hours, and no session prolongs itself."""
    if "authorization" not in request.headers:
        raise Forbidden("A session is opened with an API key, not with a session.")
    if principal.until is not None:
        raise Forbidden("With a token no session is opened: sign in on the dashboard.")
    new = services.sessions.open(principal)
    cookies.set_cookie(request, response, new)
    response.headers["Cache-Control"] = "no-store"
    return SessionAnswer(
        id=principal.key_id,
        name=principal.name,
        full_name=principal.full_name,
        scopes=_list_scopes(principal),
        expires_at=new.expires_at,
        project=principal.project,
        sees_all=principal.places is None,
    )


@sessions.delete("", status_code=204)
def sign_out(
    request: Request,
    response: Response,
    services: Services,
    principal: Reader,  # noqa: ARG001
) -> None:
    """End the session of the request's cookie; its token is worth nothing from now on."""
    token = request.cookies.get(cookies.COOKIE)
    if token:
        services.sessions.close(token)
    cookies.delete_cookie(request, response)
