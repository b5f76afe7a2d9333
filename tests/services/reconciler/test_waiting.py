"""What no node could hold is refused, or waits with the reason while others go first."""

from __future__ import annotations

from typing import Any

import pytest

from services.executors.ray_jobs import read_nodes
from services.jobs.needs import describe_shortage
from services.reconciler import waiting
from tests.services.support import Stage, list_error_fields

STUDY: dict[str, Any] = {
    "base": {"preset": "quick"},
    "space": {"meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-2}},
}
SMALL = [{"CPU": 2.0}]


@pytest.mark.parametrize(
    ("resources", "nodes", "reason"),
    [
        ({"cpus": 64}, SMALL, "needs 64 CPUs; the largest node has 2"),
        ({"cpus": 1, "workers": 4}, SMALL, "needs 5 CPUs; all nodes together have 2"),
        ({"custom": {"GPU": 1}}, SMALL, "needs 1 of 'GPU'; the largest node has 0"),
        (
            {"cpus": 3, "custom": {"GPU": 1}},
            [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}],
            "needs 3 of 'CPU', 1 of 'GPU' on one node; no node has all of it",
        ),
        (
            {"cpus": 1, "workers": 3, "placement": "strict-pack"},
            [{"CPU": 2.0}, {"CPU": 2.0}],
            "needs 4 CPUs on one node; the largest node has 2",
        ),
        (
            {"cpus": 1, "workers": 2, "placement": "strict-spread"},
            [{"CPU": 8.0}, {"CPU": 8.0}],
            "needs 3 nodes; there are 2",
        ),
        ({"cpus": 2}, SMALL, None),
        ({"cpus": 64}, [], None),
        ({}, SMALL, None),
    ],
)
def test_shortages(
    resources: dict[str, Any], nodes: list[dict[str, float]], reason: str | None
) -> None:
    assert describe_shortage("study", {"resources": resources}, nodes) == reason


def test_other_kinds_need_nothing_of_nodes() -> None:
    assert describe_shortage("evaluation", {"resources": {"cpus": 64}}, SMALL) is None


def test_a_study_that_no_node_holds_lets_others_pass(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "ASK_SECONDS", 0.0)
    study = stage.submit("study", spec={**STUDY, "resources": {"cpus": 64}})
    other = stage.submit()
    stage.executor.nodes = SMALL
    stage.tick(2)
    assert (stage.state(study), stage.state(other)) == ("queued", "starting")
    assert stage.job(study)["waiting_reason"] == "needs 64 CPUs; the largest node has 2"
    stage.executor.nodes = [*SMALL, {"CPU": 64.0}]
    stage.finish(other, "succeeded")
    stage.tick(4)
    assert stage.state(study) == "starting"
    assert stage.job(study)["waiting_reason"] is None


def test_it_is_refused_at_once_where_no_node_can_be_added(stage: Stage) -> None:
    stage.executor.nodes = SMALL
    stage.submit("study", spec=STUDY)
    stage.tick(2)
    body = {"kind": "study", "spec": {**STUDY, "resources": {"cpus": 64}}}
    answer = stage.client.post("/v1/jobs", json=body)
    assert (answer.status_code, list_error_fields(answer)) == (422, ["spec.resources"])


def test_nodes_are_read_from_what_ray_says() -> None:
    alive = {"state": "ALIVE", "resources_total": {"CPU": 2.0}}
    dead = {"state": "DEAD", "resources_total": {}}
    answer = {"data": {"result": {"result": [alive, dead]}}}
    assert read_nodes(answer) == [{"CPU": 2.0}]
    assert read_nodes({"data": None}) == []
