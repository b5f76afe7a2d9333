"""Query parameters that an operation does not have are refused by name."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: names of parameters are read before any database is asked."""
    return sqlite_url


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


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/jobs?staet=failed", "did you mean state?"),
        ("/v1/jobs?created_befor=x", "did you mean created_before?"),
        ("/v1/jobs?zzz=1", "there are actor, created_after, "),
        ("/v1/tasks?full=1", "this operation takes none"),
        ("/v1/optimizers/hyper/versions/1/weights?version=2", "this operation takes none"),
        ("/v1/keys/self?x=1", "this operation takes none"),
    ],
)
def test_what_was_meant_is_said(client: TestClient, path: str, message: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert message in answer.json()["errors"][0]["message"]


def test_every_list_takes_the_size_of_a_page(client: TestClient) -> None:
    """The client asks for it, whatever the list."""
    job = client.post("/v1/jobs", json={"kind": "meta-training", "spec": {"preset": "quick"}})
    path = f"/v1/jobs/{job.json()['id']}"
    lists = ["/v1/jobs", "/v1/optimizers", "/v1/keys"]
    lists += [f"{path}/{part}" for part in ("attempts", "checkpoints", "events")]
    for each in lists:
        page = client.get(each, params={"limit": 200})
        assert (page.status_code, page.json()["next_cursor"]) == (200, None), page.text
