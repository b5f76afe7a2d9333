"""Query parameters that an operation does not have are refused by name."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize(
    ("query", "field"),
    [("staet=failed", "staet"), ("limit=5&lable=a:b", "lable"), ("=false", "query")],
)
def test_a_filter_with_a_typing_error_is_no_filter(
    client: TestClient, query: str, field: str
) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert client.get("/v1/jobs?limit=5&state=failed&state=queued").status_code == 200
