"""The dashboard's files: complete, self-contained, and under a strict policy."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from services.dashboard.endpoints import load_files

TEXTS = {name: file.data.decode() for name, file in load_files().items()}


def test_the_page_is_public_and_guarded(client: TestClient) -> None:
    answer = client.get("/", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "text/html" in answer.headers["content-type"]


def test_every_file_that_is_named_is_there(client: TestClient) -> None:
    named = {name for text in TEXTS.values() for name in re.findall(r'"/dashboard/([^"]+)"', text)}
    assert "main.js" in named
    for name in named:
        assert client.get(f"/dashboard/{name}").status_code == 200
    assert named == set(TEXTS) - {"index.html"}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_nothing_is_loaded_from_elsewhere_and_no_markup_is_built_from_text(name: str) -> None:
    text = TEXTS[name].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//cdn|\bimport\(", text)
    assert not re.search(
        r"\.innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )
    assert not re.search(r'\son\w+="|style="|<style|<script>', text)
    assert "localStorage" not in text


def test_files_are_revalidated(client: TestClient) -> None:
    first = client.get("/dashboard/main.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/dashboard/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2fendpoints.py", "%2e%2e/endpoints.py", "__init__.py", "main.js/x"]
)
def test_other_names_are_no_files(client: TestClient, name: str) -> None:
    assert client.get(f"/dashboard/{name}").status_code == 404
