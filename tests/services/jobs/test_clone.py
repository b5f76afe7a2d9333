"""Clone: a new job like another but for a merge patch."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from services.jobs.merge_patch import apply_merge_patch
from tests.services.jobs.helpers import fields, in_seconds
from tests.services.support import ON_ANY_DATABASE, Stage


def test_a_clone_is_the_original_but_for_the_patch(stage: Stage) -> None:
    original = stage.submit(
        name="first", labels={"team": "a"}, priority=3, deadline=in_seconds(3600)
    )
    patch = {"spec": {"seed": 7, "unroll": {"horizon": 40, "lr": None}}, "name": "second"}
    answer = stage.client.post(f"/v1/jobs/{original}/clone", json=patch)
    assert answer.status_code == 201
    first = stage.job(original)
    second = answer.json()
    location = urljoin(str(answer.request.url), answer.headers["location"])
    assert urlsplit(location).path == f"/v1/jobs/{second['id']}"
    assert (second["cloned_from"], second["state"], second["name"]) == (
        original,
        "queued",
        "second",
    )
    assert (second["labels"], second["priority"], second["deadline"]) == ({"team": "a"}, 3, None)
    rate = {**first["spec"]["unroll"]["rate"], "lr": 0.005}
    unroll = {**first["spec"]["unroll"], "horizon": 40, "rate": rate}
    assert second["spec"] == {**first["spec"], "seed": 7, "unroll": unroll}


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"spec": {"unroll": {"horizon": 0}}}, "spec.unroll.horizon"),
        ({"spec": {"preset": "paper"}}, "spec.preset"),
        ({"spec": {"colour": 1}}, "spec.colour"),
        ({"kind": "evaluation"}, "kind"),
        ({"priority": 101}, "priority"),
    ],
)
def test_a_clone_is_checked_like_any_job(stage: Stage, patch: dict[str, Any], field: str) -> None:
    assert fields(stage.client.post(f"/v1/jobs/{stage.submit()}/clone", json=patch)) == [field]


def test_a_dry_run_shows_what_a_clone_would_be(stage: Stage) -> None:
    original = stage.submit()
    path = f"/v1/jobs/{original}/clone"
    patch = {"spec": {"seed": 7, "unroll": {"horizon": 40}}}
    tried = stage.client.post(path, params={"dry_run": "true"}, json=patch)
    assert tried.status_code == 200
    assert tried.json()["accepted"]
    assert tried.json()["cost"]["n_learner_steps"] > 0
    assert [job["id"] for job in stage.client.get("/v1/jobs").json()["items"]] == [original]
    assert tried.json()["spec"] == stage.client.post(path, json=patch).json()["spec"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"unroll": {"horizon": 0}}, "spec.unroll.horizon"),
        ({"preset": "paper"}, "spec.preset"),
        ({"colour": 1}, "spec.colour"),
    ],
)
def test_a_dry_run_of_a_clone_tells_what_would_be_refused(
    stage: Stage, spec: dict[str, Any], field: str
) -> None:
    path = f"/v1/jobs/{stage.submit()}/clone?dry_run=true"
    tried = stage.client.post(path, json={"spec": spec})
    assert tried.status_code == 200
    assert not tried.json()["accepted"]
    assert [error["field"] for error in tried.json()["errors"]] == [field]


def test_a_dry_run_of_a_clone_of_no_job(stage: Stage) -> None:
    answer = stage.client.post("/v1/jobs/job_222222222222/clone?dry_run=true", json={})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [  # the examples of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_those_of_the_standard(target: Any, patch: Any, expected: Any) -> None:
    assert apply_merge_patch(target, patch) == expected
