"""Accepted means readable: whatever a POST or PATCH took, every GET answers 200.

40 examples, in CI 200; `HYPERADAM_TEST_EXAMPLES=10000` for more.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote as percent_encode

import pytest
import safetensors.torch
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.registry.thetas import make_theta

DEFAULT_EXAMPLES = "200" if os.environ.get("CI") else "40"
N_EXAMPLES = int(os.environ.get("HYPERADAM_TEST_EXAMPLES", DEFAULT_EXAMPLES))
BINARY = {"Content-Type": "application/octet-stream"}
THETA = make_theta(5)

CHARACTERS = st.characters(codec=None)  # type: ignore[arg-type]
"""Halves of surrogate pairs and control characters included."""
TEXTS = st.text(CHARACTERS, max_size=8)
NUMBERS = (
    st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from([10**400, -(10**308), 2**63, 2**64, 5e-324, 1.8e308])
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
) | st.integers(1, 400).map(lambda depth: json.loads("[" * depth + "]" * depth))
PROVENANCE_NAMES = st.sampled_from(
    ["metrics", "parent", "continued_from", "datasets", "code", "note", "job", "update", "version"]
)
PROVENANCES = st.dictionaries(
    PROVENANCE_NAMES | TEXTS,
    JSON | st.dictionaries(PROVENANCE_NAMES | TEXTS, JSON, max_size=3),
    max_size=4,
)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True) | TEXTS.filter(
    lambda text: "/" not in text and "?" not in text and "#" not in text
)

pytestmark = pytest.mark.timeout(3600 if N_EXAMPLES > 200 else 120)
examples = settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    database=None,
    derandomize=N_EXAMPLES <= 200,
    suppress_health_check=list(HealthCheck),
)


def pack_file(provenance: dict[str, Any], **fields: Any) -> bytes:
    """The file of a Θ with that provenance, as an attacker would make it."""
    manifest = json.dumps({**THETA.manifest, "provenance": provenance, **fields})
    return safetensors.torch.save(dict(THETA.tensors), {"hyperadam": manifest})


def check_optimizers(client: TestClient) -> None:
    """Every GET about every optimizer is 200."""
    items = get(client, "/v1/optimizers?limit=200")["items"]
    get(client, "/v1/optimizers?metric=x<=1&tag=x&rule=hyperadam")
    for item in items[-3:]:
        path = f"/v1/optimizers/{item['name']}"
        for version in get(client, f"{path}/versions")["items"]:
            assert version["damage"] is None
        get(client, path)
        get(client, f"{path}/aliases")
        get(client, f"{path}/versions/latest")
        get(client, f"{path}/versions/latest/compare?to={item['name']}@1")


def get(client: TestClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


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


def test_any_manifest(client: TestClient) -> None:
    n_accepted = 0

    @examples
    @given(provenance=PROVENANCES, name=NAMES)
    def upload(provenance: dict[str, Any], name: str) -> None:
        nonlocal n_accepted
        path = f"/v1/optimizers/{quote(name)}/versions"
        answer = client.post(path, content=pack_file(provenance), headers=BINARY)
        assert answer.status_code in {200, 201, 404, 405, 422}, answer.text
        if answer.status_code == 201:
            n_accepted += 1
            check_optimizers(client)
            get(client, f"{path}/{answer.json()['number']}")

    upload()
    assert n_accepted > N_EXAMPLES // 20


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


JSON_BODY = {"Content-Type": "application/json"}
FIELDS = st.sampled_from(
    ["seed", "register_as", "n_updates", "unroll", "rule", "space", "base", "suite", "optimizers"]
)


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
            get(client, path)
            get(client, f"{path}/events")
            get(client, "/v1/jobs?limit=5")

    submit()


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


def quote(name: str) -> str:
    """The name as a path segment; halves of surrogate pairs as the bytes that stand for them."""
    return percent_encode(name.encode("utf-8", "surrogatepass"), safe="")
