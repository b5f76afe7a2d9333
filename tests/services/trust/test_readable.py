"""Accepted means readable: whatever a POST, PUT or PATCH took, every GET answers 200."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.services.support import ON_ANY_DATABASE
from tests.services.trust.generated import (
    BINARY,
    FIELDS_OF_A_MANIFEST,
    JSON,
    JSON_BODY,
    N_EXAMPLES,
    NAMES,
    PROVENANCES,
    TEXTS,
    TIMEOUT_SECONDS,
    check_optimizers,
    examples,
    get,
    pack_file,
    quote,
)

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    "provenance",
    [
        {"note": "\ud800"},
        {"metrics": {"x": 10**400}},
        {"deep": json.loads("[" * 300 + "]" * 300)},
    ],
)
def test_one_upload_does_not_break_the_catalogue(
    client: TestClient, provenance: dict[str, Any]
) -> None:
    answer = client.post(
        "/v1/optimizers/mine/versions", content=pack_file(provenance), headers=BINARY
    )
    assert answer.status_code == 422, answer.text
    assert get(client, "/v1/optimizers")["items"] == []
    check_optimizers(client)


@pytest.mark.slow
def test_any_manifest(client: TestClient) -> None:
    n_accepted = 0

    @examples
    @given(
        provenance=PROVENANCES,
        fields=st.just({}) | st.dictionaries(FIELDS_OF_A_MANIFEST, JSON, max_size=2),
        name=NAMES,
    )
    def upload(provenance: dict[str, Any], fields: dict[str, Any], name: str) -> None:
        nonlocal n_accepted
        path = f"/v1/optimizers/{quote(name)}/versions"
        answer = client.post(path, content=pack_file(provenance, **fields), headers=BINARY)
        assert answer.status_code in {200, 201, 404, 405, 422}, answer.text
        if answer.status_code == 201:
            n_accepted += 1
            check_optimizers(client)
            get(client, f"{path}/{answer.json()['number']}")

    upload()
    assert n_accepted > N_EXAMPLES // 20


@pytest.mark.slow
def test_anything_that_is_said_of_a_version(client: TestClient) -> None:
    client.post("/v1/optimizers/mine/versions", content=pack_file({}), headers=BINARY)

    @examples
    @given(
        description=TEXTS, tags=st.dictionaries(TEXTS | st.just("a"), st.none() | TEXTS, max_size=3)
    )
    def annotate(description: str, tags: dict[str, str | None]) -> None:
        body = json.dumps({"description": description, "tags": tags})
        answer = client.patch("/v1/optimizers/mine/versions/1", content=body, headers=JSON_BODY)
        assert answer.status_code in {200, 400, 422}, answer.text
        check_optimizers(client)

    annotate()


FIELDS = st.sampled_from(
    ["seed", "register_as", "n_updates", "unroll", "rule", "space", "base", "suite", "optimizers"]
)


@pytest.mark.slow
def test_any_job(client: TestClient) -> None:
    @examples
    @given(
        kind=st.sampled_from(["meta-training", "evaluation", "study"]),
        name=st.none() | TEXTS,
        labels=st.dictionaries(TEXTS | st.just("team"), TEXTS, max_size=2),
        fields=st.dictionaries(FIELDS, JSON, max_size=2),
    )
    def submit(kind: str, name: str | None, labels: dict[str, str], fields: dict[str, Any]) -> None:
        spec = {"preset": "quick", **fields} if kind == "meta-training" else fields
        body = json.dumps({"kind": kind, "name": name, "labels": labels, "spec": spec})
        answer = client.post("/v1/jobs", content=body, headers=JSON_BODY)
        assert answer.status_code in {201, 400, 422}, answer.text
        if answer.status_code == 201:
            path = f"/v1/jobs/{answer.json()['id']}"
            for part in ("", "/events", "/metrics", "/logs", "/attempts", "/checkpoints"):
                get(client, path + part)
            get(client, "/v1/jobs?limit=5")
            edit = json.dumps({"name": name, "labels": labels})
            answer = client.patch(path, content=edit, headers=JSON_BODY)
            assert answer.status_code == 200, answer.text
            get(client, path)

    submit()


@pytest.mark.slow
def test_any_alias(client: TestClient) -> None:
    client.post("/v1/optimizers/mine/versions", content=pack_file({}), headers=BINARY)

    @examples
    @given(alias=NAMES, version=st.just(1) | JSON, reason=TEXTS, protected=st.none() | JSON)
    def point(alias: str, version: Any, reason: str, protected: Any) -> None:
        path = f"/v1/optimizers/mine/aliases/{quote(alias)}"
        body = json.dumps({"version": version, "reason": reason, "protected": protected})
        answer = client.put(path, content=body, headers=JSON_BODY)
        assert answer.status_code in {200, 400, 404, 405, 409, 422}, answer.text
        if answer.status_code == 200:
            check_optimizers(client)
            get(client, f"/v1/optimizers/mine/versions/{quote(alias)}")

    point()


def test_any_key(client: TestClient) -> None:
    @examples
    @given(name=TEXTS, repeat=TEXTS, expires_at=st.none() | st.datetimes().map(str) | TEXTS)
    def make(name: str, repeat: str, expires_at: str | None) -> None:
        body = json.dumps({"name": name, "expires_at": expires_at})
        headers = {**JSON_BODY, "Idempotency-Key": quote(repeat) or "none"}
        answer = client.post("/v1/keys", content=body, headers=headers)
        assert answer.status_code in {200, 201, 400, 422}, answer.text
        get(client, "/v1/keys")

    make()


@pytest.mark.parametrize("field", ["options", "labels"])
def test_a_study_with_half_a_surrogate_pair(client: TestClient, field: str) -> None:
    domain = {
        "kind": "choice",
        "options": [{"kind": "rnnprop"}, {"kind": "dm"}],
        "labels": ["a", "b"],
    }
    domain[field] = ["\ud800", "b"]
    body = json.dumps({"kind": "study", "spec": {"space": {"rule": domain}}})
    answer = client.post("/v1/jobs", content=body, headers=JSON_BODY)
    assert answer.status_code in {400, 422}, answer.text
    assert get(client, "/v1/jobs")["items"] == []


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "study", "kind": "evaluation"}',
        '{"kind": "study", "spec": {"x": Infinity}}',
        '{"kind": "study", "spec": {"x": 1e400}}',
        '{"kind": "study", "spec": {"x": "\\ud800"}}',
        '{"kind": "study", "spec": {"x": 1' + "0" * 400 + "}}",
        '{"kind": "study", "spec": ' + "[" * 300 + "]" * 300 + "}",
        '{"kind": "study", "spec": {"x": [' + "{}," * 150_000 + "{}]}}",
    ],
)
def test_bodies_are_read_strictly(client: TestClient, text: str) -> None:
    answer = client.post("/v1/jobs", content=text, headers=JSON_BODY)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == "body"
