"""`GET /livez` and `GET /readyz`, without a key."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from hyperadam.api.proof import CHALLENGE_HEADER, CHALLENGE_PATTERN, PROOF_HEADER
from pydantic import BaseModel

from services.container import Services
from services.health.checks import OK, Whose

router = APIRouter(tags=["operations"])

Challenge = Annotated[
    str | None,
    Header(
        alias=CHALLENGE_HEADER,
        pattern=CHALLENGE_PATTERN,
        description="Answered by the header HyperAdam-Proof, if this is the service of a home.",
    ),
]

WhoseNeeds = Annotated[
    Whose,
    Query(
        description="`service`: what jobs need. `process`: what this process needs to answer "
        "requests, without reconciler and executor; for a balancer of several processes."
    ),
]


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    ready: bool
    checks: dict[str, str]
    """Part → `ok`, or what is wrong with it."""


@router.get("/livez")
async def livez(services: Services, response: Response, challenge: Challenge = None) -> Alive:
    """The process answers."""
    if challenge is not None and services.prover is not None:
        response.headers[PROOF_HEADER] = services.prover.prove(challenge)
    return Alive()


@router.get(
    "/readyz",
    responses={503: {"model": Readiness, "description": "Something that is needed is missing"}},
)
async def readyz(services: Services, response: Response, of: WhoseNeeds = "service") -> Readiness:
    """Whether everything that jobs need is there; names what is not."""
    checks = await services.health.examine(of)
    ready = all(finding == OK for finding in checks.values())
    response.status_code = 200 if ready else 503
    response.headers["Cache-Control"] = "no-store"
    return Readiness(ready=ready, checks=checks)
