"""Studies over REST: refused with the field named, changed while they run, any Θ registered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from meta_trainer.studies.control import Control
from meta_trainer.studies.ledger import (
    THETA_PATH,
    Ledger,
    TrialRecord,
    TrialReport,
    TrialState,
    make_trial_key,
)
from registry.memory import InMemoryRegistry
from tests.registry.thetas import make_theta
from tests.services.support import ON_ANY_DATABASE, Stage, list_error_fields

SPACE = {"meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-2}}


def submit(client: TestClient, **spec: Any) -> str:
    answer = client.post("/v1/jobs", json={"kind": "study", "spec": {"space": SPACE, **spec}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def add_trial(registry: InMemoryRegistry, job_id: str, *, with_theta: bool) -> str:
    """What a driver leaves of its first trial."""
    study = registry.open_run(job_id, name="")
    run_id = registry.open_run(make_trial_key(job_id, 0), name="trial 0", parent_run_id=study)
    trial = TrialRecord(
        number=0, point=0, seed=0, values={"meta_optimizer.rate": 1e-3}, n_updates=5, run_id=run_id
    )
    Ledger(trials=[trial]).save(registry, study)
    if with_theta:
        registry.put_artifact(run_id, THETA_PATH, make_theta().to_bytes())
    return study


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("space", "field"),
    [
        ({"unroll.lr": {"kind": "uniform", "low": 0, "high": 0.5}}, "spec.space.unroll.lr"),
        ({"unroll.lr": {"kind": "uniform", "low": "a", "high": 0.5}}, "spec.space.unroll.lr.low"),
        ({"no.such": {"kind": "int", "low": 0, "high": 5}}, "spec.space.no.such"),
        ({"unroll.lr": {"kind": "normal"}}, "spec.space.unroll.lr.kind"),
        ({}, "spec.space"),
    ],
)
def test_a_wrong_space_names_its_field(
    client: TestClient, space: dict[str, Any], field: str
) -> None:
    answer = client.post("/v1/jobs", json={"kind": "study", "spec": {"space": space}})
    assert answer.status_code == 422
    assert list_error_fields(answer) == [field]


def submit_with_parents(client: TestClient, *options: str | None) -> Any:
    space = {"parent": {"kind": "choice", "options": [*options]}}
    base = {"rule": {**make_theta().manifest["rule"]}}
    return client.post("/v1/jobs", json={"kind": "study", "spec": {"space": space, "base": base}})


def test_parents_in_a_space_are_resolved_on_submission(
    client: TestClient, registry: InMemoryRegistry
) -> None:
    for seed in (1, 2):
        registry.create_version("mine", make_theta(seed), key=f"k{seed}")
    registry.set_alias("mine", "best", 1, actor="me")

    answer = submit_with_parents(client, "mine@best", "nobody@1", "mine@9")
    assert answer.status_code == 422
    assert list_error_fields(answer) == ["spec.space.parent.options.1"]

    answer = submit_with_parents(client, "mine@best", "mine@latest", None)
    assert answer.status_code == 201, answer.text
    domain = answer.json()["spec"]["space"]["parent"]
    assert domain["options"] == ["mine@1", "mine@2", None]
    assert domain["labels"] == ["mine@best", "mine@latest", "null"]


def test_conditions_on_a_parent_are_resolved_with_it(
    client: TestClient, registry: InMemoryRegistry
) -> None:
    registry.create_version("mine", make_theta(1), key="k")
    rate = {"kind": "uniform", "low": 1e-3, "high": 1e-2, "when": {"parent": ["mine@latest"]}}
    space = {
        "parent": {"kind": "choice", "options": ["mine@latest", None]},
        "meta_optimizer.rate": rate,
    }
    base = {"rule": {**make_theta().manifest["rule"]}}
    job = {"kind": "study", "spec": {"space": space, "base": base}}
    answer = client.post("/v1/jobs", json=job)
    assert answer.status_code == 201, answer.text
    domain = answer.json()["spec"]["space"]["meta_optimizer.rate"]
    assert domain["when"] == {"parent": ["mine@1"]}

    rate["when"] = {"parent": ["other@1"]}
    answer = client.post("/v1/jobs", json=job)
    assert list_error_fields(answer) == ["spec.space.meta_optimizer.rate.when"]


def test_two_names_of_one_parent_are_no_choice(
    client: TestClient, registry: InMemoryRegistry
) -> None:
    registry.create_version("mine", make_theta(1), key="k")
    answer = submit_with_parents(client, "mine@1", "mine@latest")
    assert list_error_fields(answer) == ["spec.space.parent.options"]


@pytest.mark.parametrize("path", ["continue_from", "promote"])
def test_what_a_study_may_not_do_is_not_in_its_space_either(client: TestClient, path: str) -> None:
    option = {"job": "job_aaaaaaaaaaaaaaaa", "checkpoint": 3}
    space = {path: {"kind": "choice", "options": [None, option]}}
    answer = client.post("/v1/jobs", json={"kind": "study", "spec": {"space": space}})
    assert list_error_fields(answer) == [f"spec.space.{path}"]


def test_a_spec_is_stored_complete(client: TestClient) -> None:
    job = client.get(f"/v1/jobs/{submit(client)}").json()
    assert job["spec"]["base"]["unroll"]["horizon"] == 100
    assert job["spec"]["limits"]["parallel_trials"] == 2


def test_limits_and_a_gentle_stop_reach_the_driver_through_the_run(
    client: TestClient, registry: InMemoryRegistry
) -> None:
    job_id = submit(client)
    answer = client.patch(f"/v1/jobs/{job_id}/study", json={"trials": 30})
    assert answer.json() == {"trials": 30, "parallel_trials": None, "stopping": False}
    client.patch(f"/v1/jobs/{job_id}/study", json={"parallel_trials": 5})
    headers = {"Idempotency-Key": "once"}
    first = client.post(f"/v1/jobs/{job_id}/stop", headers=headers)
    again = client.post(f"/v1/jobs/{job_id}/stop", headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json() == {"trials": 30, "parallel_trials": 5, "stopping": True}
    control = Control.load(registry, registry.open_run(job_id, name=""))
    assert control == Control(trials=30, parallel_trials=5, stopping=True)


@pytest.mark.parametrize("body", [{}, {"trials": 0}, {"parallel_trials": 257}, {"seeds": 3}])
def test_wrong_limits_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.patch(f"/v1/jobs/{submit(client)}/study", json=body).status_code == 422


def test_a_population_has_a_fixed_size(client: TestClient) -> None:
    job_id = submit(client, searcher={"kind": "pbt", "population": 2})
    answer = client.patch(f"/v1/jobs/{job_id}/study", json={"trials": 3})
    assert answer.status_code == 422
    assert list_error_fields(answer) == ["trials"]


@pytest.mark.parametrize("kind", ["validation", "suite"])
def test_a_loss_is_not_maximised_and_it_is_said_why(client: TestClient, kind: str) -> None:
    spec = {"space": SPACE, "objective": {"kind": kind, "direction": "maximize"}}
    answer = client.post("/v1/jobs", json={"kind": "study", "spec": spec})
    [error] = answer.json()["errors"]
    assert error["field"] == "spec.objective.direction"
    assert "every objective of a study is a loss" in error["message"]


def test_a_study_that_has_ended_is_extended(stage: Stage, registry: InMemoryRegistry) -> None:
    job_id = stage.submit("study", spec={"space": SPACE, "limits": {"trials": 1}})
    run_id = add_trial(registry, job_id, with_theta=True)
    path = f"/v1/jobs/{job_id}/extend"
    assert stage.client.post(path, json={"trials": 3}).status_code == 409
    stage.tick(2)
    stage.finish(job_id, "succeeded", version={"optimizer": "a", "number": 1, "sha256": "0" * 64})
    stage.tick(2)
    assert stage.state(job_id) == "succeeded"
    Control(trials=1, stopping=True).save(registry, run_id)
    answer = stage.client.post(path, json={"trials": 1})
    assert (answer.status_code, list_error_fields(answer)) == (422, ["trials"])

    headers = {"Idempotency-Key": "once"}
    first = stage.client.post(path, json={"trials": 3}, headers=headers)
    again = stage.client.post(path, json={"trials": 3}, headers=headers)
    assert (first.status_code, first.json()["state"]) == (202, "queued")
    assert (first.json()["ended_at"], again.status_code) == (None, 200)
    assert Control.load(registry, run_id) == Control(trials=3, stopping=False)
    stage.tick(2)
    assert (stage.state(job_id), stage.job(job_id)["attempt"]) == ("starting", 2)


def test_a_study_without_time_is_not_extended(stage: Stage, registry: InMemoryRegistry) -> None:
    limits = {"trials": 1, "wall_seconds": 10}
    job_id = stage.submit("study", spec={"space": SPACE, "limits": limits})
    Ledger(seconds=10.0).save(registry, registry.open_run(job_id, name=""))
    stage.act(job_id, "cancel")
    answer = stage.client.post(f"/v1/jobs/{job_id}/extend", json={"trials": 2})
    assert answer.status_code == 409
    assert "used up its 10 wall_seconds" in answer.json()["detail"]


def test_a_study_begins_with_what_another_one_knows(
    stage: Stage, registry: InMemoryRegistry
) -> None:
    first = stage.submit("study", spec={"space": SPACE})
    run_id = add_trial(registry, first, with_theta=False)
    spec = {"space": SPACE, "warm_start": first}

    def refuse(**changes: Any) -> str:
        body = {"kind": "study", "spec": {**spec, **changes}}
        answer = stage.client.post("/v1/jobs", json=body)
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (422, "spec.warm_start")
        return str(error["message"])

    assert "it has not ended" in refuse()
    assert "there is no job" in refuse(warm_start="job_none")
    assert "needs a searcher that learns" in refuse(searcher={"kind": "random"})
    stage.tick(2)
    stage.finish(first, "succeeded")
    stage.tick(2)
    assert "no point of this space" in refuse()
    ledger = Ledger.load(registry, run_id)
    report = TrialReport(update=5, validation_loss=0.5, best_validation_loss=0.5, seconds=1.0)
    ledger.trials[0].state = TrialState.COMPLETED
    ledger.trials[0].add_report(report)
    ledger.save(registry, run_id)
    assert "another, and cannot be compared" in refuse(objective={"kind": "suite"})

    second = stage.submit("study", spec=spec)
    stage.tick(2)
    order = json.loads(registry.get_artifact(registry.open_run(second, name=""), "job.json"))
    assert order["original_run_id"] == run_id


def test_an_ended_study_and_other_jobs_are_left_alone(client: TestClient) -> None:
    job_id = submit(client)
    client.post(f"/v1/jobs/{job_id}/cancel")
    answer = client.post(f"/v1/jobs/{job_id}/stop")
    assert (answer.status_code, answer.json()["state"]) == (409, "cancelled")
    request = {"kind": "meta-training", "spec": {"preset": "quick"}}
    other = client.post("/v1/jobs", json=request).json()["id"]
    assert client.post(f"/v1/jobs/{other}/stop").status_code == 404
    assert client.patch("/v1/jobs/job_none/study", json={"trials": 3}).status_code == 404


def test_any_trials_theta_becomes_a_version(client: TestClient, registry: InMemoryRegistry) -> None:
    job_id = submit(client)
    path = f"/v1/jobs/{job_id}/trials/0/version"
    body = {"optimizer": "chosen"}
    assert client.post(path, json=body).status_code == 404
    # opens the run, as the reconciler does
    client.patch(f"/v1/jobs/{job_id}/study", json={"trials": 9})
    add_trial(registry, job_id, with_theta=False)
    assert client.post(path, json=body).status_code == 404
    study = add_trial(registry, job_id, with_theta=True)
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    assert client.post(path, json=body).json() == answer.json()
    version = registry.version("chosen", "latest")
    assert (version.number, version.sha256, version.run_id) == (1, answer.json()["sha256"], study)
    assert client.post(path, json={"optimizer": "no name!"}).status_code == 422


def test_deleting_a_study_deletes_its_trials(
    client: TestClient, registry: InMemoryRegistry
) -> None:
    job_id = submit(client)
    study = add_trial(registry, job_id, with_theta=True)
    trial = registry.open_run(make_trial_key(job_id, 0), name="")
    assert client.post(f"/v1/jobs/{job_id}/stop").status_code == 202
    client.post(f"/v1/jobs/{job_id}/cancel")
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert registry.open_run(make_trial_key(job_id, 0), name="") != trial
    assert registry.open_run(job_id, name="") != study
