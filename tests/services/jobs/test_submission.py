"""POST /v1/jobs: validation that names the field, presets, pinning, idempotency."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient
from hyperadam.theta import Theta
from sqlalchemy import func, select

from registry.memory import InMemoryRegistry
from services.container import Container
from services.jobs.tables import Job
from tests.registry.thetas import make_theta
from tests.services.support import ON_ANY_DATABASE

QUICK = {"kind": "meta-training", "spec": {"preset": "quick", "seed": 3}}


def _fields(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [error["field"] for error in answer.json()["errors"]]


def _n_jobs(services: Container) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


@pytest.fixture
def theta() -> Theta:
    return make_theta()


def test_submitted_job_is_complete_and_queued(client: TestClient) -> None:
    answer = client.post(
        "/v1/jobs", json={**QUICK, "name": "first Θ", "labels": {"team": "vision"}}
    )
    assert answer.status_code == 201
    job = answer.json()
    assert urljoin("/v1/jobs", answer.headers["location"]) == f"/v1/jobs/{job['id']}"
    assert job["id"].startswith("job_")
    assert (job["kind"], job["name"], job["labels"]) == (
        "meta-training",
        "first Θ",
        {"team": "vision"},
    )
    assert (job["state"], job["queue_position"], job["attempt"], job["progress"]) == (
        "queued",
        1,
        0,
        0.0,
    )
    assert (job["run_id"], job["error"], job["version"], job["ended_at"]) == (
        None,
        None,
        None,
        None,
    )
    assert job["actor"] == "tester"
    assert (job["spec"]["seed"], job["spec"]["n_learners"], job["spec"]["unroll"]["horizon"]) == (
        3,
        4,
        100,
    )
    assert "preset" not in job["spec"]
    assert client.get(f"/v1/jobs/{job['id']}").json() == job
    assert (
        client.post("/v1/jobs", json={"kind": "meta-training", "spec": job["spec"]}).json()["spec"]
        == job["spec"]
    )


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"unroll": {"horizon": 0}}, "spec.unroll.horizon"),
        ({"unroll": {"horizon": 50, "period": 20}}, "spec.unroll.horizon"),
        ({"n_learners": 5, "chunk_size": 2}, "spec.n_learners"),
        ({"preset": "slow"}, "spec.preset"),
        ({"task": {"hidden": [20, 0]}}, "spec.task.hidden.1"),
        ({"register_as": "../etc"}, "spec.register_as"),
        ({"rule": {"kind": "hyperadam", "squash": "cube"}}, "spec.rule.squash"),
        ({"rule": {"kind": "hyperadam", "n_candidates": 65}}, "spec.rule.n_candidates"),
        ({"rule": {"kind": "rnnprop", "beta1": 1.5}}, "spec.rule.beta1"),
        ({"rule": {"kind": "dm", "normalization": "rms"}}, "spec.rule.normalization"),
        ({"rule": {"kind": "adam"}}, "spec.rule.kind"),
        ({"rule": {"kind": "rnnprop"}, "init": "adam-ensemble"}, "spec.init"),
        ({"preset": "paper", "rule": {"kind": "dm"}}, "spec.rule"),
        ({"runtime_env": {}}, "spec.runtime_env"),
    ],
)
def test_wrong_spec_names_the_field(
    client: TestClient, services: Container, spec: dict[str, Any], field: str
) -> None:
    assert field in _fields(client.post("/v1/jobs", json={"kind": "meta-training", "spec": spec}))
    assert _n_jobs(services) == 0


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "cooking"}, "kind"),
        ({"kind": "meta-training", "name": "x" * 201}, "name"),
        ({"kind": "meta-training", "name": "a\u0000b"}, "name"),
        ({"kind": "meta-training", "labels": {"team": 1}}, "labels.team"),
        ({"kind": "meta-training", "colour": "red"}, "colour"),
        ({"kind": "meta-training", "spec": []}, "spec"),
    ],
)
def test_wrong_request_names_the_field(
    client: TestClient, body: dict[str, Any], field: str
) -> None:
    assert _fields(client.post("/v1/jobs", json=body)) == [field]


def test_evaluation_pins_its_references(
    client: TestClient, registry: InMemoryRegistry, theta: Theta
) -> None:
    registry.create_version("adamine", theta, key="one")
    registry.set_alias("adamine", "champion", 1, actor="tester")
    spec = {"optimizers": ["adamine@champion"], "n_starts": 2}
    job = client.post("/v1/jobs", json={"kind": "evaluation", "spec": spec}).json()
    assert job["spec"]["optimizers"] == ["adamine@1"]
    twice = {"optimizers": ["adamine@champion", "adamine"], "n_starts": 2}
    assert _fields(client.post("/v1/jobs", json={"kind": "evaluation", "spec": twice})) == [
        "spec.optimizers"
    ]


def test_a_meta_training_pins_its_parent(
    client: TestClient, registry: InMemoryRegistry, theta: Theta
) -> None:
    registry.create_version("adamine", theta, key="one")
    rule = asdict(theta.rule.spec)

    def submit(kind: str, spec: dict[str, Any]) -> Any:
        return client.post("/v1/jobs", json={"kind": kind, "spec": spec})

    given = {"parent": "adamine", "rule": rule}
    assert submit("meta-training", given).json()["spec"]["parent"] == "adamine@1"
    study = {
        "base": given,
        "space": {"meta_optimizer.rate": {"kind": "choice", "options": [0.1, 0.2]}},
    }
    assert submit("study", study).json()["spec"]["base"]["parent"] == "adamine@1"
    for wrong in (
        {"parent": "adamine@2", "rule": rule},
        {"parent": "nobody"},
        {"parent": "adamine"},
    ):
        assert _fields(submit("meta-training", wrong)) == ["spec.parent"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"suite": "table9"}, "spec.suite"),
        ({"suite": "table3", "dataset": "mnist5k"}, "spec.dataset"),
        ({"suite": "timing", "baselines": []}, "spec.baselines"),
    ],
)
def test_wrong_evaluation_names_the_field(
    client: TestClient, spec: dict[str, Any], field: str
) -> None:
    body = {"kind": "evaluation", "spec": {"optimizers": ["adamine@1"], **spec}}
    assert _fields(client.post("/v1/jobs", json=body)) == [field]


@pytest.mark.parametrize(
    "reference", ["nobody", "adamine@2", "adamine@challenger", "Not A Name", "adamine@../x"]
)
def test_unknown_reference_is_named(
    client: TestClient, registry: InMemoryRegistry, theta: Theta, reference: str
) -> None:
    registry.create_version("adamine", theta, key="one")
    spec = {"optimizers": ["adamine@1", reference]}
    assert _fields(client.post("/v1/jobs", json={"kind": "evaluation", "spec": spec})) == [
        "spec.optimizers.1"
    ]


def test_same_key_gives_the_same_job(client: TestClient, services: Container) -> None:
    headers = {"Idempotency-Key": "abc"}
    first = client.post("/v1/jobs", json=QUICK, headers=headers)
    again = client.post("/v1/jobs", json=QUICK, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert _n_jobs(services) == 1


def test_same_key_with_another_body_is_refused(client: TestClient, services: Container) -> None:
    headers = {"Idempotency-Key": "abc"}
    client.post("/v1/jobs", json=QUICK, headers=headers)
    answer = client.post("/v1/jobs", json={**QUICK, "name": "other"}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-mismatch")
    assert _n_jobs(services) == 1


def test_keys_of_two_principals_are_apart(client: TestClient, services: Container) -> None:
    other = services.api_keys.create("tester", ["submit"]).key
    headers = {"Idempotency-Key": "abc"}
    first = client.post("/v1/jobs", json=QUICK, headers=headers).json()
    second = client.post(
        "/v1/jobs", json=QUICK, headers={**headers, "Authorization": f"Bearer {other}"}
    )
    assert second.status_code == 201
    assert second.json()["id"] != first["id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ключ".encode()])
def test_malformed_key_is_refused(client: TestClient, key: str | bytes) -> None:
    answer = client.post("/v1/jobs", json=QUICK, headers={b"Idempotency-Key": key})  # type: ignore[dict-item]
    assert _fields(answer) == ["Idempotency-Key"]


def test_racing_duplicates_make_one_job(client: TestClient, services: Container) -> None:
    def submit(_: int) -> tuple[int, str]:
        answer = client.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": "race"})
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(16)))
    assert sorted(status for status, _ in answers) == [200] * 15 + [201]
    assert len({job_id for _, job_id in answers}) == 1
    assert _n_jobs(services) == 1


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("submit", 201)])
def test_submission_needs_its_scope(
    client: TestClient, services: Container, scope: str, status: int
) -> None:
    key = services.api_keys.create("someone", [scope]).key
    answer = client.post("/v1/jobs", json=QUICK, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == status
