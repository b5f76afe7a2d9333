"""Jobs are found by name, by who submitted them and by date."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.container import Container
from services.database.base import now
from services.jobs.tables import Job
from tests.services.support import ON_ANY_DATABASE, Stage, list_error_fields


def find(stage: Stage, **query: str) -> list[str]:
    answer = stage.client.get("/v1/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["items"]]


def test_by_name_by_actor_and_by_date(stage: Stage, services: Container) -> None:
    other = services.api_keys.create("other team", ["submit"]).key
    mine = stage.client.headers["Authorization"]
    stage.client.headers["Authorization"] = f"Bearer {other}"
    theirs = stage.submit(name="Ablation 100%")
    stage.client.headers["Authorization"] = mine
    first = stage.submit(name="ablation 100x")
    unnamed = stage.submit()
    long_ago = now() - timedelta(days=30)
    with services.database.write() as session:
        job = session.query(Job).filter(Job.id == first).one()
        job.created_at = long_ago

    assert find(stage, name="ABLATION") == [first, theirs]
    assert find(stage, name="100%") == [theirs]
    assert find(stage, actor="other team") == [theirs]
    assert find(stage, actor="other") == []
    week = (now() - timedelta(days=7)).isoformat()
    assert find(stage, created_after=week) == [unnamed, theirs]
    assert find(stage, created_before=week) == [first]
    assert find(stage, created_after=long_ago.isoformat(), created_before=week) == [first]
    assert find(stage, created_after=week, actor="tester") == [unnamed]


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_after", "2026-11-29"),
        ("created_after", "2026-11-29T08:00:00"),
        ("created_before", "0001-01-01T00:00:00+14:00"),
        ("created_before", "9999-12-31T23:00:00-14:00"),
        ("name", "a\x00"),
        ("name", ""),
        ("actor", "a" * 201),
    ],
)
def test_what_is_no_filter_is_refused(stage: Stage, field: str, value: str) -> None:
    answer = stage.client.get("/v1/jobs", params={field: value})
    assert answer.status_code == 422
    assert field in list_error_fields(answer)[0]
