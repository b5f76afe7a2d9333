"""What a spec may be made of: presets, datasets, dry runs, and the specs' schemas in OpenAPI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from meta_trainer.datasets.catalog import CARDS
from meta_trainer.specs import PRESETS
from meta_trainer.specs.schema import SPEC_MODELS, build_schemas
from services import api_document
from services.auth.scopes import Principal
from services.container import Container
from services.database.base import Database
from services.datasets.catalog import list_data
from services.settings import Settings
from tests.services.jobs.helpers import fields

ADMIN = Principal.of_key("1", "admin", ["admin"], "default")


def try_spec(client: TestClient, spec: dict[str, Any], kind: str = "meta-training") -> Any:
    answer = client.post("/v1/jobs?dry_run=true", json={"kind": kind, "spec": spec})
    assert answer.status_code == 200, answer.text
    return answer.json()


def place_files(settings: Settings, name: str) -> None:
    """Empty files where a dataset's stand."""
    for file in CARDS[name].files[0]:
        path = Path(settings.data_dir) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_every_preset_says_what_it_is_for_and_is_complete(client: TestClient) -> None:
    items = client.get("/v1/presets").json()["items"]
    names = [item["name"] for item in items if item["kind"] == "meta-training"]
    assert names == list(PRESETS)
    for item in items:
        assert item["purpose"].endswith(".")
        if item["kind"] == "tasks":
            assert item["cost"] is None
            continue
        model = SPEC_MODELS[item["kind"]]
        assert model.model_validate(item["spec"]).model_dump(mode="json") == item["spec"]
        assert item["cost"]["n_updates"] > 0
        assert item["cost"]["core_seconds"] > 0


def test_a_dataset_says_whether_it_is_there_and_how_to_get_it(
    client: TestClient, settings: Settings
) -> None:
    place_files(settings, "mnist")
    items = {item["name"]: item for item in client.get("/v1/datasets").json()["items"]}
    assert {name: item["available"] for name, item in items.items()} == {
        "mnist5k": True,
        "mnist": True,
        "fashion_mnist": False,
        "cifar10": False,
    }
    assert "meta_trainer.datasets download cifar10" in items["cifar10"]["how_to_get"]
    assert items["mnist"]["how_to_get"] is None
    assert items["cifar10"]["shape"] == [3, 32, 32]


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("meta-training", {"task": {"dataset": "cifar10"}}, "spec.task"),
        ("meta-training", {"tasks": {"cnn": {"datasets": ["cifar10"]}}}, "spec.tasks"),
        ("evaluation", {"optimizers": ["a@1"], "dataset": "cifar10"}, "spec.dataset"),
        (
            "study",
            {
                "base": {"task": {"dataset": "cifar10"}},
                "space": {"n_learners": {"kind": "choice", "options": [2, 4]}},
            },
            "spec.base.task",
        ),
    ],
)
def test_data_that_is_not_there_is_refused_with_how_to_get_it(
    client: TestClient, registry: Any, kind: str, spec: dict[str, Any], field: str
) -> None:
    from tests.registry.thetas import make_theta

    registry.create_version("a", make_theta(), key="1")
    refused = client.post("/v1/jobs", json={"kind": kind, "spec": spec})
    assert fields(refused) == [field]
    assert "python -m meta_trainer.datasets download cifar10" in refused.json()["detail"]


def test_nothing_is_known_of_a_folder_on_other_machines(
    settings: Settings, database: Database
) -> None:
    remote = settings.model_copy(update={"executor": "ray", "ray_address": "http://head:8265"})
    known = {item.name: item.available for item in list_data(remote, database, ADMIN).items}
    assert known == {"mnist5k": True, "mnist": None, "fashion_mnist": None, "cifar10": None}


def test_a_dry_run_gives_the_complete_spec_and_its_cost(client: TestClient) -> None:
    tried = try_spec(client, {"preset": "quick", "seed": 3})
    assert tried["accepted"]
    assert tried["errors"] == []
    assert tried["preset"] == "quick"
    assert tried["spec"]["seed"] == 3
    assert tried["spec"]["unroll"]["horizon"] == 100
    assert tried["cost"]["n_updates"] == 60
    assert tried["cost"]["seconds"] == tried["cost"]["core_seconds"]  # no node is known
    assert client.get("/v1/jobs").json()["items"] == []


def test_a_dry_run_tells_all_that_would_be_refused(client: TestClient) -> None:
    tried = try_spec(client, {"unroll": {"horizn": 3}, "n_episodes": 0})
    assert not tried["accepted"]
    assert tried["spec"] is None
    assert tried["cost"] is None
    messages = {error["field"]: error["message"] for error in tried["errors"]}
    assert messages == {
        "spec.unroll.horizn": "unknown field horizn: did you mean horizon?",
        "spec.n_episodes": "must be at least 1, got 0",
    }


def test_a_dry_run_leaves_the_idempotency_key_free(client: TestClient) -> None:
    body = {"kind": "meta-training", "spec": {"preset": "quick"}}
    headers = {"Idempotency-Key": "k"}
    assert client.post("/v1/jobs?dry_run=true", json=body, headers=headers).status_code == 200
    assert client.post("/v1/jobs", json=body, headers=headers).status_code == 201


def test_a_bare_submission_takes_the_default_preset_and_says_so(
    client: TestClient, settings: Settings
) -> None:
    for name in ("mnist", "fashion_mnist", "cifar10"):
        place_files(settings, name)
    job = client.post("/v1/jobs", json={"kind": "meta-training"}).json()
    assert job["spec"] == try_spec(client, {"preset": "default"})["spec"]
    assert job["notes"] == ["no spec was given: it begins from the preset 'default'"]
    assert try_spec(client, {})["preset"] == "default"
    said = client.post("/v1/jobs", json={"kind": "meta-training", "spec": {"seed": 1}}).json()
    assert said["notes"] == []
    assert said["spec"]["rule"]["kind"] == "hyperadam"


@pytest.mark.parametrize("path", ["/v1/presets", "/v1/datasets", "/v1/tasks"])
def test_they_need_a_key(services: Container, client: TestClient, path: str) -> None:
    assert client.get(path, headers={"Authorization": ""}).status_code == 401


def test_a_dry_run_needs_the_scope_of_a_submission(services: Container, client: TestClient) -> None:
    reader = services.api_keys.create("reader", ["read"]).key
    headers = {"Authorization": f"Bearer {reader}"}
    body = {"kind": "meta-training", "spec": {}}
    assert client.post("/v1/jobs?dry_run=true", json=body, headers=headers).status_code == 403


def test_openapi_has_every_field_of_every_spec() -> None:
    schemas = api_document.build_document()["components"]["schemas"]
    for name, schema in build_schemas().items():
        assert schemas[name] == schema
    mapping = schemas["JobRequest"]["discriminator"]["mapping"]
    assert set(mapping) == set(SPEC_MODELS)
    for kind, reference in mapping.items():
        request = schemas[reference.rpartition("/")[2]]
        assert request["properties"]["kind"]["const"] == kind
        spec = request["properties"]["spec"]["$ref"].rpartition("/")[2]
        assert spec == SPEC_MODELS[kind].__name__


def test_tasks_rules_and_suites_are_listed(client: TestClient) -> None:
    catalog = client.get("/v1/tasks").json()
    assert [rule["kind"] for rule in catalog["rules"]] == [
        "hyperadam",
        "rnnprop",
        "dm",
        "hyperadam-tensor",
    ]
    assert {rule["kind"]: rule["inits"][0] for rule in catalog["rules"]}["dm"] == "paper"
    kinds = {task["kind"]: task["trainable"] for task in catalog["tasks"]}
    assert (kinds["mlp"], kinds["field"]) == (True, False)
    assert catalog["families"] == ["mlp", "cnn", "lstm", "network", "described", "listed"]
    assert "table1" in [suite["name"] for suite in catalog["suites"]]


def test_a_described_network_that_does_not_fit_together_is_refused(client: TestClient) -> None:
    blocks = [{"kind": "linear"}, {"kind": "conv"}]
    content = {"tasks": {"described": {"networks": [blocks]}}}
    tried = try_spec(client, content)
    assert [error["field"] for error in tried["errors"]] == ["spec.tasks"]
    assert "blocks.1 is a conv" in tried["errors"][0]["message"]
    blocks.reverse()
    assert try_spec(client, content)["accepted"]
