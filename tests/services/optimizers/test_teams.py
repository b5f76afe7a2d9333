"""What a team needs of its registry: notes, lineage, search, comparison, protected aliases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hyperadam.theta import Theta

from registry import Evaluation
from services.container import Container
from tests.registry.thetas import make_theta
from tests.services.optimizers.conftest import CountingRegistry
from tests.services.support import collect_pages, list_error_fields

HYPER = "/v1/optimizers/hyper"
TIME = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: versions and notes are in the registry."""
    return sqlite_url


def trained(seed: int, *, loss: float | None, horizon: int = 100, **lineage: Any) -> Theta:
    provenance = {
        "spec": {"unroll": {"horizon": horizon}, "seed": seed},
        "metrics": {"validation_loss": loss},
        **lineage,
    }
    return with_provenance(make_theta(seed), provenance)


def with_provenance(theta: Theta, provenance: dict[str, Any]) -> Theta:
    return Theta(theta.rule, theta.tensors, theta.rate, provenance)


def evaluated(
    key: str, *, quick: bool = False, day: int = 1, n_starts: int = 20, **means: float | None
) -> Evaluation:
    settings = {"suite": "table1", "quick": quick, "n_starts": n_starts, "seed": 1}
    tasks = {task: {"mean": mean, "stderr": 0.01} for task, mean in means.items()}
    summary = {"settings": settings, "tasks": tasks}
    return Evaluation(key=key, evaluated_at=TIME.replace(day=day), summary=summary)


@pytest.fixture
def team(registry: CountingRegistry) -> CountingRegistry:
    """An optimizer `team` with two versions, trained and evaluated."""
    lineage = {
        "datasets": {"mnist5k": "ab", "odd": 3},
        "code": {"torch": "2.13.0"},
        "kernel": "fused/AVX512",
        "parent": {"version": "team@1", "sha256": "cd"},
        "continued_from": {"job": "job_0", "update": 40, "sha256": "ef"},
    }
    run = registry.open_run("job_1", name="")
    first = trained(11, loss=0.4)
    second = trained(12, loss=0.3, horizon=200, **lineage)
    registry.create_version("team", first, key="job_1", run_id=run, tags={"env": "test"})
    registry.create_version("team", second, key="job_2", tags={"env": "prod"})
    registry.attach_evaluation("team", 1, evaluated("job_a", relu=0.3, elu=0.4))
    registry.attach_evaluation("team", 2, evaluated("job_b", relu=0.25, elu=None))
    registry.attach_evaluation("team", 2, evaluated("job_c", quick=True, day=2, relu=0.9))
    return registry


def test_a_version_tells_its_lineage_and_what_was_measured(
    client: TestClient, team: CountingRegistry
) -> None:
    version = client.get("/v1/optimizers/team/versions/2").json()
    assert version["lineage"] == {
        "source": "upload",
        "job_id": None,
        "parent": "team@1",
        "parent_sha256": "cd",
        "continued_from": {"job_id": "job_0", "update": 40},
        "datasets": {"mnist5k": "ab"},
        "code": {"torch": "2.13.0"},
        "kernel": "fused/AVX512",
    }
    assert version["metrics"] == {"validation_loss": 0.3, "table1/relu": 0.25, "table1/elu": None}
    assert [entry["job_id"] for entry in version["evaluations"]] == ["job_b", "job_c"]
    assert client.get("/v1/optimizers/team/versions/1").json()["lineage"]["source"] == "job"


def test_provenance_of_an_odd_shape_is_no_error(
    client: TestClient, registry: CountingRegistry
) -> None:
    odd = {
        "metrics": [1],
        "datasets": "x",
        "code": None,
        "parent": 3,
        "continued_from": {"job": 1},
        "spec": "s",
    }
    registry.create_version("odd", with_provenance(make_theta(5), odd), key="k")
    version = client.get("/v1/optimizers/odd/versions/1").json()
    assert version["metrics"] == {}
    assert version["lineage"]["parent"] is None
    assert version["lineage"]["code"] == {}
    assert version["lineage"]["continued_from"] is None

    comparison = client.get("/v1/optimizers/odd/versions/1/compare", params={"to": "hyper@1"})
    assert comparison.status_code == 200


def test_notes(client: TestClient) -> None:
    path = f"{HYPER}/versions/champion"
    notes = {"description": "good on ELU", "tags": {"env": "prod", "team": "a"}}
    changed = client.patch(path, json=notes)
    assert changed.status_code == 200
    assert (changed.json()["number"], changed.json()["description"]) == (2, "good on ELU")
    assert changed.json()["tags"] == {"env": "prod", "team": "a"}
    assert client.patch(path, json={"tags": {"team": None}}).json()["tags"] == {"env": "prod"}
    assert client.patch(path, json={}).json() == client.get(path).json()
    assert client.get(path).json()["description"] == "good on ELU"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"description": "x" * 4001}, "description"),
        ({"description": "a\u0000"}, "description"),
        ({"tags": {"mlflow.user": "x"}}, "tags"),
        ({"tags": {"hyperadam.sha256": None}}, "tags"),
        ({"tags": {"a b": "x"}}, "tags"),
        ({"tags": {"a": "x" * 4001}}, "tags"),
        ({"tags": {"a": 1}}, "tags.a"),
        ({"tags": {f"t{i}": "" for i in range(51)}}, "tags"),
        ({"sha256": "x"}, "sha256"),
    ],
)
def test_bad_notes_name_the_field(client: TestClient, body: dict[str, Any], field: str) -> None:
    before = client.get(f"{HYPER}/versions/1").json()
    answer = client.patch(f"{HYPER}/versions/1", json=body)
    assert answer.status_code == 422
    assert list_error_fields(answer) == [field]
    assert client.get(f"{HYPER}/versions/1").json() == before


def test_tags_over_the_limit_by_two_requests(client: TestClient) -> None:
    path = f"{HYPER}/versions/1"
    first = client.patch(path, json={"tags": {f"a{i}": "" for i in range(30)}})
    assert first.status_code == 200
    second = client.patch(path, json={"tags": {f"b{i}": "" for i in range(30)}})
    assert second.status_code == 422
    assert list_error_fields(second) == ["tags"]
    assert len(client.get(f"{HYPER}/versions/1").json()["tags"]) == 30


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ({"tag": "env:prod"}, [2]),
        ({"tag": "env"}, [2, 1]),
        ({"tag": ["env", "env:test"]}, [1]),
        ({"tag": "env:pro"}, []),
        ({"rule": "hyperadam"}, [2, 1]),
        ({"rule": "rnnprop"}, []),
        ({"metric": "validation_loss<=0.35"}, [2]),
        ({"metric": "validation_loss>=0.3"}, [2, 1]),
        ({"metric": ["validation_loss>=0.35", "table1/relu<=3e-1"]}, [1]),
        ({"metric": "table1/relu>=0.5"}, []),
        ({"metric": "table1/elu<=9"}, [1]),
        ({"metric": "unheard_of>=0"}, []),
        ({"metric": "table1/relu<=0.27", "tag": "env:prod", "rule": "hyperadam"}, [2]),
    ],
)
def test_search(
    client: TestClient, team: CountingRegistry, search: dict[str, Any], numbers: list[int]
) -> None:
    versions = client.get("/v1/optimizers/team/versions", params=search).json()["items"]
    assert [version["number"] for version in versions] == numbers
    optimizers = client.get("/v1/optimizers", params=search).json()["items"]
    names = [optimizer["name"] for optimizer in optimizers]
    assert ("team" in names) is bool(numbers)


def test_a_search_goes_by_pages(client: TestClient, team: CountingRegistry) -> None:
    for number in range(4):
        tags = {"env": "prod"} if number % 2 else {}
        team.create_version("team", make_theta(20 + number), key=f"m{number}", tags=tags)
    versions = collect_pages(client, "/v1/optimizers/team/versions", tag="env:prod", limit=1)
    assert [version["number"] for version in versions] == [6, 4, 2]


@pytest.mark.parametrize(
    "search",
    [
        {"tag": ""},
        {"tag": " a"},
        {"rule": "A b"},
        {"metric": "loss"},
        {"metric": "loss<0.3"},
        {"metric": "loss<=nan"},
    ],
)
def test_a_bad_search_names_the_field(client: TestClient, search: dict[str, str]) -> None:
    for path in ("/v1/optimizers", f"{HYPER}/versions"):
        answer = client.get(path, params=search)
        assert answer.status_code == 422
        fields = [field.partition(".")[0] for field in list_error_fields(answer)]
        assert fields == list(search)


def test_two_versions_side_by_side(client: TestClient, team: CountingRegistry) -> None:
    team.attach_evaluation("team", 1, evaluated("job_d", n_starts=5, relu=0.31))
    answer = client.get(
        "/v1/optimizers/team/versions/1/compare", params={"to": "team@latest"}
    ).json()
    assert (answer["left"]["number"], answer["right"]["number"]) == (1, 2)
    assert answer["spec"] == [
        {"field": "seed", "left": 11, "right": 12},
        {"field": "unroll.horizon", "left": 100, "right": 200},
    ]
    assert {"field": "code.torch", "left": None, "right": "2.13.0"} in answer["lineage"]
    assert {"field": "parent.version", "left": None, "right": "team@1"} in answer["lineage"]
    assert answer["metrics"] == [{"metric": "validation_loss", "left": 0.4, "right": 0.3}]
    evaluations = [
        (entry["settings"]["n_starts"], entry["left_job_id"], entry["right_job_id"])
        for entry in answer["evaluations"]
    ]
    assert evaluations == [(20, "job_a", "job_b"), (5, "job_d", None), (20, None, "job_c")]
    assert answer["evaluations"][0]["tasks"] == [
        {
            "task": "relu",
            "left": {"mean": 0.3, "stderr": 0.01},
            "right": {"mean": 0.25, "stderr": 0.01},
        },
        {
            "task": "elu",
            "left": {"mean": 0.4, "stderr": 0.01},
            "right": {"mean": None, "stderr": 0.01},
        },
    ]


def test_a_version_compared_with_itself_differs_in_nothing(
    client: TestClient, team: CountingRegistry
) -> None:
    answer = client.get("/v1/optimizers/team/versions/2/compare", params={"to": "team@2"}).json()
    assert (answer["spec"], answer["lineage"]) == ([], [])
    assert all(metric["left"] == metric["right"] for metric in answer["metrics"])


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("nobody@1", 404),
        ("hyper@9", 404),
        ("hyper@champion", 200),
        ("hyper", 200),
        ("Hyper@1", 422),
        ("a@b@c", 422),
    ],
)
def test_what_it_is_compared_with(client: TestClient, to: str, status: int) -> None:
    assert client.get(f"{HYPER}/versions/1/compare", params={"to": to}).status_code == status
    assert client.get(f"{HYPER}/versions/1/compare").status_code == 422


def test_a_protected_alias(client: TestClient) -> None:
    champion = f"{HYPER}/aliases/champion"
    request = {"version": 2, "protected": True, "reason": "by rule"}
    assert client.put(champion, json=request).status_code == 200
    aliases = client.get(f"{HYPER}/aliases").json()["items"]
    assert aliases == [{"alias": "champion", "version": 2, "protected": True, "rule": None}]
    for refused in (client.put(champion, json={"version": 3}), client.delete(champion)):
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/conflict")
        assert "protected" in refused.json()["detail"]
    assert client.put(champion, json={"version": 3, "protected": False}).json()["number"] == 3
    assert client.delete(champion).status_code == 204
    history = client.get(f"{HYPER}/aliases").json()["history"]
    assert [(change["new_version"], change["protected"]) for change in history] == [
        (2, False),
        (2, True),
        (3, False),
        (None, False),
    ]


def test_readers_change_nothing(client: TestClient, services: Container) -> None:
    headers = {"Authorization": f"Bearer {services.api_keys.create('reader', ['read']).key}"}
    for method, path in (
        ("PATCH", "versions/1"),
        ("PUT", "aliases/champion"),
        ("DELETE", "aliases/champion"),
    ):
        answer = client.request(method, f"{HYPER}/{path}", json={"version": 1}, headers=headers)
        assert answer.status_code == 403


def test_a_file_with_a_manifest_that_is_too_long(client: TestClient) -> None:
    theta = with_provenance(make_theta(5), {"note": "x" * 90_000})
    headers = {"Content-Type": "application/octet-stream"}
    answer = client.post(f"{HYPER}/versions", content=theta.to_bytes(), headers=headers)
    assert answer.status_code == 422
    assert list_error_fields(answer) == ["body"]
