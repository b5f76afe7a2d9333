"""What is sent to the service in tests of "accepted means readable", and what reads it back.

25 examples each, in CI 200; `HYPERADAM_TEST_EXAMPLES=10000` for more.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote as percent_encode

import safetensors.torch
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.registry.thetas import make_theta

DEFAULT_EXAMPLES = "200" if os.environ.get("CI") else "25"
N_EXAMPLES = int(os.environ.get("HYPERADAM_TEST_EXAMPLES", DEFAULT_EXAMPLES))
JSON_BODY = {"Content-Type": "application/json"}
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
FIELDS_OF_A_MANIFEST = st.sampled_from([name for name in THETA.manifest if name != "provenance"])
PROVENANCES = st.dictionaries(
    PROVENANCE_NAMES | TEXTS,
    JSON | st.dictionaries(PROVENANCE_NAMES | TEXTS, JSON, max_size=3),
    max_size=4,
)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True) | TEXTS.filter(
    lambda text: "/" not in text and "?" not in text and "#" not in text
)

TIMEOUT_SECONDS = 14_400 if N_EXAMPLES > 200 else 120
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


def quote(name: str) -> str:
    """The name as a path segment; halves of surrogate pairs as the bytes that stand for them."""
    return percent_encode(name.encode("utf-8", "surrogatepass"), safe="")
