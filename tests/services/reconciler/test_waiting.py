"""What no node could hold is refused, or waits with the reason while others go first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from services.database.base import Database, now
from services.executors.ray_jobs import read_nodes
from services.jobs.needs import describe_shortage
from services.jobs.tables import Job
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
    assert (stage.state(study), stage.state(other)) == ("waiting", "starting")
    assert stage.job(study)["waiting_reason"] == "needs 64 CPUs; the largest node has 2"
    stage.executor.nodes = [*SMALL, {"CPU": 64.0}]
    stage.finish(other, "succeeded")
    stage.tick(4)
    assert stage.state(study) == "starting"
    assert stage.job(study)["waiting_reason"] is None


def test_an_attempt_that_finds_no_room_gives_its_slot_to_others(
    stage: Stage, database: Database
) -> None:
    study = stage.submit("study", spec=STUDY)
    other = stage.submit()
    stage.tick(2)
    stage.drive(study, ("study.started", {"n_trials": 16}))
    reason = "a trial needs 1 CPUs; of the cluster's 2 CPUs 0 are free (for 60 s)"
    stage.finish(study, "waiting", reason=reason)
    stage.tick(3)
    assert (stage.state(study), stage.state(other)) == ("waiting", "starting")
    job = stage.job(study)
    assert (job["waiting_reason"], job["queue_position"]) == (reason, None)
    change = [event["data"] for event in stage.events(study) if event["type"] == "job.state"][-1]
    assert change == {"from": "running", "to": "waiting", "reason": reason}
    stage.finish(other, "succeeded")
    with database.write() as session:
        session.execute(update(Job).values(retry_at=now()))
    stage.tick(3)
    assert (stage.state(study), stage.job(study)["attempt"]) == ("starting", 2)
    assert stage.job(study)["waiting_reason"] is None


def test_a_clock_that_was_ahead_lets_it_wait_no_longer(stage: Stage, database: Database) -> None:
    study = stage.submit("study", spec=STUDY)
    stage.tick(2)
    stage.finish(study, "waiting", reason="no room")
    stage.tick()
    assert stage.state(study) == "waiting"
    with database.write() as session:
        session.execute(update(Job).values(retry_at=now() + timedelta(days=365)))
    stage.tick(2)
    assert stage.state(study) == "starting"


@pytest.mark.parametrize(("action", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_what_waits_is_cancelled_at_once(stage: Stage, action: str, state: str) -> None:
    study = stage.submit("study", spec={**STUDY, "resources": {"cpus": 64}})
    stage.executor.nodes = SMALL
    stage.tick(2)
    assert stage.state(study) == "waiting"
    assert stage.act(study, action) == state


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
