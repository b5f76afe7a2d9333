"""The dashboard's files: complete, small, self-contained, and under a strict policy."""

from __future__ import annotations

import hashlib
import posixpath
import re

import pytest
from fastapi.testclient import TestClient

from services.dashboard.endpoints import load_files

MOST_BYTES = 300_000
LARGEST_MODULE_LINES = 250
TEXTS = {name: file.data.decode() for name, file in load_files().items()}
OWN = {name: text for name, text in TEXTS.items() if not name.startswith("vendor/")}
UPLOT = {
    "vendor/uPlot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "vendor/uPlot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""SHA-256 of the files of uPlot 1.6.32, as the npm registry has them."""


def find_imports(name: str) -> set[str]:
    """The files that one of the page's files names, by their paths below /dashboard."""
    folder = posixpath.dirname(name)
    modules = re.findall(r'from "(\.[^"]+)"', TEXTS[name])
    named = re.findall(r'"dashboard/([^"]+)"', TEXTS[name])
    return {posixpath.normpath(posixpath.join(folder, path)) for path in modules} | set(named)


def test_the_page_is_public_and_guarded(client: TestClient) -> None:
    answer = client.get("/", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_every_file_that_is_named_is_there_and_every_file_is_named(client: TestClient) -> None:
    reached = {"index.html"}
    while True:
        more = set().union(*(find_imports(name) for name in reached)) - reached
        if not more:
            break
        assert more <= set(TEXTS), more
        reached |= more
    assert reached == set(TEXTS)
    for name in reached:
        assert client.get(f"/dashboard/{name}").status_code == 200


def test_all_of_it_is_small() -> None:
    assert sum(len(file.data) for file in load_files().values()) < MOST_BYTES
    lines = {name: text.count("\n") for name, text in OWN.items()}
    assert {name: n for name, n in lines.items() if n > LARGEST_MODULE_LINES} == {}


@pytest.mark.parametrize(
    "pattern",
    [
        r"https?://(?!www\.w3\.org/2000/svg)|//cdn|\bimport\(",
        r"\.innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function",
        r'\son\w+="|style="|<style|<script>',
        r"localStorage|sessionStorage|document\.cookie",
        r"""["'`(]/(v1|dashboard|docs|readyz|openapi)""",
    ],
    ids=["elsewhere", "markup of texts", "inline", "kept by scripts", "absolute addresses"],
)
def test_no_file_does_what_it_must_not(pattern: str) -> None:
    assert {name for name, text in OWN.items() if re.search(pattern, text)} == set()


@pytest.mark.parametrize("name", sorted(UPLOT))
def test_the_charting_library_is_the_published_one(name: str) -> None:
    assert hashlib.sha256(load_files()[name].data).hexdigest() == UPLOT[name]


def test_files_are_revalidated(client: TestClient) -> None:
    first = client.get("/dashboard/main.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/dashboard/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "..%2fendpoints.py",
        "%2e%2e/endpoints.py",
        "__init__.py",
        "main.js/x",
        "lib",
        "lib/",
        "lib/../main.js/",
        "vendor/uPlot.LICENSE.txt",
    ],
)
def test_other_names_are_no_files(client: TestClient, name: str) -> None:
    assert client.get(f"/dashboard/{name}").status_code == 404
