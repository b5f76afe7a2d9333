"""`require(scope)`: the guard that every endpoint declares, and what OpenAPI says of it.

Who asks is known by an API key or a token of the issuer in the header, or by the cookie of a
session in a browser. What the path names must be of a project that the principal sees, and its
scope is asked for there.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from services.auth import cookies
from services.auth.scopes import Principal, Scope
from services.container import Container, Services
from services.oidc.bearer import BearerTokens
from services.oidc.tokens import BadToken, looks_like_token
from services.problems import Forbidden, TooManyRequests, Unauthorized
from services.projects.reach import find_thing
from services.projects.tables import PROJECT_PATTERN
from services.proxies.layers import find_own_path

__all__ = ["Principal", "get_required_scope", "require"]

_REALM: Final = 'Bearer realm="hyperadam"'
_EXPIRED: Final = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
_BEARER: Final = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="ha_ID_SECRET",
    description="An API key, made with `hyperadam-server keys create` or `POST /v1/keys`. Where "
    "the operator has set an issuer (OpenID Connect), a JWT of it as well.",
    auto_error=False,
)

_COOKIE: Final = APIKeyCookie(
    name=cookies.COOKIE,
    scheme_name="Session",
    description="The session of a browser, opened by `PUT /v1/session`. What changes something "
    f"needs the header `{cookies.HEADER}: {cookies.HEADER_VALUE}` with it.",
    auto_error=False,
)

PROJECT_HEADER: Final = "HyperAdam-Project"
ProjectName = Annotated[
    str | None,
    Header(
        alias=PROJECT_HEADER,
        pattern=PROJECT_PATTERN,
        description="Act in this project, and see it alone, where the asker sees several.",
    ),
]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
Token = Annotated[str | None, Depends(_COOKIE)]


class _Require:
    """A dependency that lets a request pass if whoever asks has the scope, and says who it is."""

    def __init__(self, scope: Scope) -> None:
        self.scope: Final[Scope] = scope

    async def __call__(
        self,
        request: Request,
        services: Services,
        credentials: Credentials,
        token: Token,
        project: ProjectName = None,
    ) -> Principal:
        if token and "authorization" not in request.headers:
            cookies.check_origin(request)
            principal = await _find_session(services, token)
        else:
            principal = await _find_bearer(services, credentials)
        request.state.actor = principal.name
        request.state.principal = principal
        self._check_rate(request, services, principal)
        if project is not None:
            principal = await _confine(services, principal, project)
        principal = await _enter(request, services, principal)
        request.state.principal = principal
        if self.scope not in principal.scopes:
            challenge = f'{_REALM}, error="insufficient_scope", scope="{self.scope}"'
            raise Forbidden(
                f"{principal} does not have the scope '{self.scope}'.",
                headers={"WWW-Authenticate": challenge},
            )
        return principal

    def _check_rate(self, request: Request, services: Container, principal: Principal) -> None:
        limits = services.rate_limits
        limits_of_request = [limits.requests]
        if request.method not in cookies.READ_METHODS:
            limits_of_request.append(limits.writes)

        wait = max(limit.seconds_to_wait(principal.key_id) for limit in limits_of_request)
        if wait > 0:
            raise TooManyRequests(
                f"{principal} sends more requests than this server takes from one key or person.",
                headers={"Retry-After": str(math.ceil(wait))},
            )


async def _confine(services: Container, principal: Principal, project: str) -> Principal:
    """The principal in the project that the request asks for."""
    is_there = principal.sees(project) and await run_in_threadpool(
        services.reach.has_project, project
    )
    if not is_there:
        raise Forbidden(f"{principal.name!r} sees no project {project!r}.")
    return principal.confine(project)


async def _enter(request: Request, services: Container, principal: Principal) -> Principal:
    """The principal in the project of what the path names."""
    path = find_own_path(request.scope)
    try:
        thing = find_thing(request.method, path, request.path_params)
    except LookupError:
        if principal.places is None:
            return principal
        raise Forbidden("What the path names is for keys that see all projects.") from None
    if thing is None:
        return principal
    if services.reach.recall(thing, principal) is not None:
        return services.reach.enter(thing, principal)
    return await run_in_threadpool(services.reach.enter, thing, principal)


async def _find_bearer(
    services: Container, credentials: HTTPAuthorizationCredentials | None
) -> Principal:
    if credentials is None or credentials.scheme.lower() != "bearer":
        raise Unauthorized(
            "Send an API key in the header 'Authorization: Bearer KEY'.",
            headers={"WWW-Authenticate": _REALM},
            **_offer_sign_in(services),
        )
    secret = credentials.credentials
    if services.bearer_tokens is not None and looks_like_token(secret):
        return await _find_person(services.bearer_tokens, secret)
    principal = await _find_principal(services, secret)
    if principal is None:
        raise Unauthorized(
            "The API key is not known, was revoked or has expired.", headers=_EXPIRED
        )
    return principal


async def _find_person(tokens: BearerTokens, token: str) -> Principal:
    try:
        return await tokens.find_principal(token)
    except BadToken as error:
        raise Unauthorized(f"The token is not accepted. {error}", headers=_EXPIRED) from error


def _offer_sign_in(services: Container) -> dict[str, Any]:
    """With whom people may sign in, for the page that asks."""
    sign_in = services.sign_in
    return {} if sign_in is None else {"sign_in": sign_in.title}


async def _find_session(services: Container, token: str) -> Principal:
    principal = await run_in_threadpool(services.sessions.verify, token)
    if principal is None:
        raise Unauthorized(
            "The session is over, or its API key is: sign in again.",
            headers={"WWW-Authenticate": _REALM},
            **_offer_sign_in(services),
        )
    return principal


async def _find_principal(services: Container, key: str) -> Principal | None:
    """The holder of the key; the database is asked only if it was not verified a moment ago."""
    principal = services.api_keys.recall(key)
    if principal is not None:
        return principal
    return await run_in_threadpool(services.api_keys.verify, key)


@cache
def require(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """The dependency for one scope.

    It is the same object each time, so that a request is checked once.
    """
    return _Require(scope)


def get_required_scope(dependency: object) -> Scope | None:
    """The scope that a dependency demands; None when it is another kind of dependency."""
    return dependency.scope if isinstance(dependency, _Require) else None
