"""The two addresses that a browser visits to sign in with the issuer. They are open: whoever comes
there has no rights yet.

Where the browser ends up is fixed, so no link can send it elsewhere. A sign-in that fails ends on a
page that leads back to where one begins.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from services.audit.layer import note
from services.auth import cookies
from services.container import Container, Services
from services.oidc.sign_in import SECONDS, Attempt, SignIn, check_return
from services.page_headers import HEADERS
from services.problems import NotFound, PagePlan, answer_people

FAILED: Final = PagePlan(
    heading="You are not signed in",
    advice="Begin again. If it ends here again, show this page to the operator of the service.",
    way_on="Back to sign in",
)
router = APIRouter(
    prefix="/v1/sign-in", include_in_schema=False, dependencies=[Depends(answer_people(FAILED))]
)

COOKIE: Final = "hyperadam_sign_in"
PATH: Final = "/v1/sign-in"
MAX_PARAMETER_CHARS: Final = 4096
DASHBOARD: Final = "../../"
"""From `/v1/sign-in/callback`, also below a proxy's path."""


@router.get("")
async def set_out(request: Request, services: Services) -> Response:
    """Send the browser to the issuer."""
    sign_in = _find(services)
    attempt = Attempt.begin()
    url = await sign_in.make_url(attempt, _name_return(request, services))
    response = RedirectResponse(url, 303, HEADERS | {"Cache-Control": "no-store"})
    response.set_cookie(
        COOKIE,
        attempt.secret,
        max_age=SECONDS,
        path=_name_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # it comes back from the issuer's site
    )
    return response


@router.get("/callback")
async def come_back(request: Request, services: Services) -> Response:
    """Open a session for whom the issuer signed in."""
    sign_in = _find(services)
    response = await _open_session(request, services, sign_in)
    response.delete_cookie(COOKIE, path=_name_path(request))
    return response


async def _open_session(request: Request, services: Container, sign_in: SignIn) -> Response:
    secret = request.cookies.get(COOKIE)
    attempt = None if not secret else Attempt(secret)
    answer = {
        name: value
        for name, value in request.query_params.items()
        if len(value) <= MAX_PARAMETER_CHARS
    }
    code = check_return(attempt, answer, services.settings.oidc_issuer)
    assert attempt is not None
    principal = await sign_in.finish(attempt, code, _name_return(request, services))
    new = await run_in_threadpool(services.sessions.open, principal)
    request.state.principal = principal
    request.state.actor = principal.name
    await note(request.scope, 303)
    response = RedirectResponse(DASHBOARD, 303, HEADERS | {"Cache-Control": "no-store"})
    cookies.set_cookie(request, response, new)
    return response


def _find(services: Container) -> SignIn:
    if services.sign_in is None:
        raise NotFound("Nobody signs in here but with an API key.")
    return services.sign_in


def _name_return(request: Request, services: Container) -> str:
    """Where the issuer sends the browser back to; it compares that with what it was told."""
    base = services.settings.oidc_redirect_base
    if not base:
        root = request.scope.get("root_path", "")
        base = f"{request.url.scheme}://{request.url.netloc}{root}"
    return f"{base}{PATH}/callback"


def _name_path(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}{PATH}"
