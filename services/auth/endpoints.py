"""REST calls about API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from services.auth.dependencies import Principal, require
from services.auth.making import make_key
from services.auth.schemas import KeyAnswer, KeyList, KeyRequest, NewKeyAnswer, SelfAnswer
from services.auth.scopes import SCOPES
from services.container import Services
from services.idempotency.dependencies import AdminPost
from services.problems import NotFound
from services.strict_routes import StrictRoute

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=StrictRoute)

Admin = Depends(require("admin"))
KeyId = Annotated[str, Path(pattern=r"^[a-z0-9]{8}$")]


@router.get("/self")
def show_self(principal: Annotated[Principal, Depends(require("read"))]) -> SelfAnswer:
    """The key that asks, and what it may do."""
    scopes = [scope for scope in SCOPES if scope in principal.scopes]
    return SelfAnswer(id=principal.key_id, name=principal.name, scopes=scopes)


@router.get("", dependencies=[Admin])
def list_keys(services: Services) -> KeyList:
    """All keys, revoked ones too, oldest first."""
    records = services.api_keys.list()
    return KeyList(items=[KeyAnswer.of(record) for record in records])


@router.post(
    "",
    status_code=201,
    responses={200: {"model": NewKeyAnswer, "description": "A repeat; `key` is null"}},
)
def create(
    request: KeyRequest, services: Services, post: AdminPost, response: Response
) -> NewKeyAnswer:
    """Make a key. The answer is the only one that ever holds it: a repeat with the same
    `Idempotency-Key` tells of the same key, without its secret."""
    record, key = make_key(services, request, post)

    response.status_code = 201 if key is not None else 200
    response.headers["Cache-Control"] = "no-store"
    return NewKeyAnswer(**KeyAnswer.of(record).model_dump(), key=key)


@router.delete("/{key_id}", status_code=204, dependencies=[Admin])
def revoke(key_id: KeyId, services: Services) -> None:
    """Revoke a key. The other processes of the service follow within seconds."""
    if not services.api_keys.revoke(key_id):
        raise NotFound(f"no API key has the id {key_id!r}")
