"""`GET /livez` and `GET /readyz`, without a key."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.container import Services
from services.health.checks import OK

router = APIRouter(tags=["operations"])


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    ready: bool
    checks: dict[str, str]
    """Part → `ok`, or what is wrong with it."""


@router.get("/livez")
async def livez() -> Alive:
    """The process answers."""
    return Alive()


@router.get(
    "/readyz",
    responses={503: {"model": Readiness, "description": "Something that is needed is missing"}},
)
async def readyz(services: Services, response: Response) -> Readiness:
    """Whether everything that jobs need is there; names what is not."""
    checks = await services.health.examine()
    ready = all(finding == OK for finding in checks.values())
    response.status_code = 200 if ready else 503
    response.headers["Cache-Control"] = "no-store"
    return Readiness(ready=ready, checks=checks)
