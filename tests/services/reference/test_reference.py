"""Swagger UI from this server alone: complete, unchanged and under a strict policy."""

from __future__ import annotations

import hashlib
import re

import pytest
from fastapi.testclient import TestClient

from services.reference.endpoints import SWAGGER_UI, load_files

SWAGGER_UI_5_32_6 = {
    "swagger-ui-bundle.js": "4b5a9b35a1adf37f00d39c0bae23cdb37007e2946240ef035137cc85b4d55349",
    "swagger-ui.css": "ca238f7d7c2cf4480c1e77a9c3b9da915ab216e96ffd354e69076560c650c6de",
}
"""sha256 of the files of swagger-ui-dist 5.32.6 as its makers publish it."""


def test_swagger_ui_is_its_makers_own() -> None:
    assert {
        name: hashlib.sha256(load_files()[name].data).hexdigest() for name in SWAGGER_UI
    } == SWAGGER_UI_5_32_6


def test_the_page_and_all_that_it_names_come_from_here(client: TestClient) -> None:
    answer = client.get("/docs", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert not re.search(r"(?:https?:)?//", answer.text)
    named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert "docs/swagger-ui-bundle.js" in named
    for path in named:
        assert not path.startswith("/"), "it would lead elsewhere below a proxy's path"
        assert client.get(f"/{path}", headers={"Authorization": ""}).status_code == 200
    assert {path.removeprefix("docs/") for path in named if path.startswith("docs/")} == set(
        load_files()
    ) - {"reference.html"}


def test_scripts_are_those_of_this_server(client: TestClient) -> None:
    for path in ("/docs", "/docs/reference.js"):
        policy = client.get(path).headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        assert "http" not in policy


def test_files_are_revalidated(client: TestClient) -> None:
    first = client.get("/docs/swagger-ui.css")
    again = client.get("/docs/swagger-ui.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/docs/redoc.standalone.js", "/docs/__init__.py", "/docs/..%2fapp.py", "/redoc"]
)
def test_other_names_are_no_files(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
