"""docs/openapi.json is what the service serves: a change of the wire is seen in review."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from services import api_document

PINNED = Path(__file__).resolve().parents[3] / "docs/openapi.json"


def test_the_pinned_document_is_up_to_date() -> None:
    assert PINNED.read_text("utf-8") == api_document.format_document(), (
        "the REST API changed: run `make openapi`, read the diff"
    )


def test_it_is_what_the_service_serves(client: TestClient) -> None:
    assert client.get("/openapi.json").json() == api_document.build_document()


def test_it_does_not_depend_on_the_deployment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = api_document.format_document()
    for name, value in {
        "HOME": str(tmp_path),
        "PORT": "1",
        "MAX_RUNNING_JOBS": "7",
        "MAX_BODY_BYTES": "4096",
    }.items():
        monkeypatch.setenv(f"HYPERADAM_{name}", value)
    assert api_document.format_document() == before
    assert not list(tmp_path.iterdir())


def test_it_is_plain_json_with_one_key_a_line() -> None:
    text = api_document.format_document()
    assert json.loads(text)["openapi"].startswith("3.1")
    assert max(map(len, text.splitlines())) < 1500
