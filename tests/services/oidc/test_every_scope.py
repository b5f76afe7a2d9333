"""Every operation of the document, with tokens of each scope: it is refused to the weaker ones."""

from __future__ import annotations

from typing import Final

import pytest
from fastapi.testclient import TestClient

from services.container import Container
from tests.services.application import share_application
from tests.services.auth.test_guard import routes
from tests.services.oidc.issuer import TestIssuer, bearer

GROUP_OF_SCOPE: Final = {"read": "blue-guests", "submit": "blue-team", "admin": "platform"}
SCOPES: Final = list(GROUP_OF_SCOPE)


@pytest.mark.parametrize("scope", SCOPES)
def test_every_operation(
    visitor: TestClient, services: Container, issuer: TestIssuer, scope: str
) -> None:
    headers = bearer(issuer.sign(groups=[GROUP_OF_SCOPE[scope]]))
    n_refused = 0
    for path, methods, needed in list(routes(share_application(services))):
        if not needed or "{" in path or "stream" in path:
            continue  # things that are not there are a 404, whatever the scope
        for method in methods - {"HEAD"}:
            answer = visitor.request(method, path, headers=headers, json={})
            is_refused = "insufficient_scope" in answer.headers.get("WWW-Authenticate", "")
            is_too_weak = SCOPES.index(needed[0]) > SCOPES.index(scope)
            assert is_refused == is_too_weak, (method, path, answer.text)
            n_refused += is_refused
    assert (n_refused == 0) == (scope == "admin")
