"""docs/openapi.json is what the service serves: a change of the wire is seen in review."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from services import api_document

PINNED = Path(__file__).resolve().parents[3] / "docs/openapi.json"


@pytest.fixture(scope="module")
def document() -> str:
    return api_document.format_document()


def test_the_pinned_document_is_up_to_date(document: str) -> None:
    assert PINNED.read_text("utf-8") == document, (
        "the REST API changed: run `make openapi`, read the diff"
    )


def test_it_is_what_the_service_serves(client: TestClient, document: str) -> None:
    assert client.get("/openapi.json").json() == json.loads(document)


def test_it_does_not_depend_on_the_deployment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, document: str
) -> None:
    for name, value in {
        "HOME": str(tmp_path),
        "PORT": "1",
        "MAX_RUNNING_JOBS": "7",
        "MAX_BODY_BYTES": "4096",
    }.items():
        monkeypatch.setenv(f"HYPERADAM_{name}", value)
    assert api_document.format_document() == document
    assert not list(tmp_path.iterdir())


def test_it_is_plain_json_with_one_key_a_line(document: str) -> None:
    assert json.loads(document)["openapi"].startswith("3.1")
    assert max(map(len, document.splitlines())) < 1500
