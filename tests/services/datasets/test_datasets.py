"""Datasets that clients register: kept whole, known by name, pinned by digest, and gone only when
nobody needs them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from meta_trainer.datasets.registered import load_registered, make_key
from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from registry.memory import InMemoryRegistry
from services.container import Container
from services.database.base import now
from services.housekeeping.pruner import Pruner
from tests.meta_trainer.conftest import TINY
from tests.meta_trainer.datasets.own_files import make_arrays, to_npz, to_safetensors
from tests.services.jobs.helpers import fields
from tests.services.support import ON_ANY_DATABASE, Stage

BINARY = {"Content-Type": "application/octet-stream"}
FILE = to_npz(make_arrays(60, n_test=9))
SHA256 = hashlib.sha256(FILE).hexdigest()
BASE = {name: value for name, value in TINY.items() if name != "task"}
SPEC: dict[str, Any] = {**BASE, "task": {"dataset": "mine", "hidden": [4], "batch_size": 8}}


def put(client: TestClient, name: str = "mine", data: bytes = FILE, **params: str) -> Any:
    return client.put(f"/v1/datasets/{name}", content=data, headers=BINARY, params=params)


def submit(client: TestClient, spec: dict[str, Any], kind: str = "meta-training") -> Any:
    return client.post("/v1/jobs", json={"kind": kind, "spec": spec})


def make_client(services: Container, client: TestClient, name: str, scope: Any) -> dict[str, str]:
    """Headers of another key."""
    return {"Authorization": f"Bearer {services.api_keys.create(name, [scope]).key}"}


def test_a_registered_dataset_is_listed_beside_the_built_in_ones(client: TestClient) -> None:
    answer = put(client, title="Three clouds", sha256=SHA256)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == "mine"
    shown = answer.json()
    assert shown == client.get("/v1/datasets/mine").json()
    assert shown == client.get("/v1/datasets").json()["items"][-1]
    assert (shown["shape"], shown["targets"], shown["n_classes"]) == ([6], "labels", 3)
    assert shown["n_examples"] == {"train": 60, "test": 9}
    registered = shown["registered"]
    assert (registered["sha256"], registered["n_bytes"]) == (SHA256, len(FILE))
    assert registered["owner"] == "tester"
    assert client.get("/v1/datasets/mnist5k").json()["registered"] is None


def test_a_name_stands_for_one_file(client: TestClient, registry: InMemoryRegistry) -> None:
    assert [put(client).status_code for _ in range(2)] == [201, 200]
    other = put(client, data=to_npz(make_arrays(12)))
    assert (other.status_code, SHA256 in other.json()["detail"]) == (409, True)
    assert put(client, name="twin").status_code == 201
    assert client.delete("/v1/datasets/mine").status_code == 204
    assert client.get("/v1/datasets/mine").status_code == 404
    assert load_registered(f"twin@{SHA256}", None, registry).n_classes == 3
    assert client.delete("/v1/datasets/twin").status_code == 204
    assert registry.find_run(make_key(SHA256)) is None
    assert client.delete("/v1/datasets/twin").status_code == 404


def test_a_lost_file_is_repaired_by_registering_it_again(
    client: TestClient, registry: InMemoryRegistry
) -> None:
    put(client)
    registry.delete_run(registry.find_run(make_key(SHA256)) or "")
    assert put(client).status_code == 200
    assert len(load_registered(f"mine@{SHA256}", None, registry)) == 60


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        (b"", "file", "must be an npz or a safetensors file"),
        (FILE[:-9], "file", "damaged"),
        (to_npz({"inputs": np.zeros((4, 2), np.float32)}), "file", "must hold the array targets"),
    ],
)
def test_what_is_no_dataset_is_refused(
    client: TestClient, registry: InMemoryRegistry, data: bytes, field: str, message: str
) -> None:
    refused = put(client, data=data)
    assert fields(refused) == [field]
    assert message in refused.json()["detail"]
    assert client.get("/v1/datasets/mine").status_code == 404
    assert registry.find_run(make_key(hashlib.sha256(data).hexdigest())) is None


def test_a_file_that_arrives_changed_is_refused(client: TestClient) -> None:
    refused = put(client, data=to_safetensors(make_arrays(12)), sha256=SHA256)
    assert fields(refused) == ["sha256"]


def test_a_file_that_is_too_large_is_cut_off(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.datasets.uploads.MAX_FILE_BYTES", 1000)
    assert put(client, data=b"x" * 2000).status_code == 413


def test_all_files_together_have_a_bound(services: Container) -> None:
    settings = services.settings.model_copy(update={"max_datasets_bytes": len(FILE) + 10})
    small = Container(settings=settings, database=services.database, registry=services.registry)
    from services.app import create_app

    key = small.api_keys.create("tester", ["submit"]).key
    with TestClient(create_app(small), headers={"Authorization": f"Bearer {key}"}) as client:
        assert put(client).status_code == 201
        refused = put(client, name="more", data=to_npz(make_arrays(12)))
        assert refused.status_code == 413
        assert "HYPERADAM_MAX_DATASETS_BYTES" in refused.json()["detail"]


def test_names_are_strict_and_built_in_ones_taken(client: TestClient) -> None:
    assert put(client, name="mnist").status_code == 409
    assert put(client, name="..%2Fmine").status_code in (404, 422)
    assert put(client, name="Mine").status_code == 422
    assert client.delete("/v1/datasets/mnist").status_code == 409


def test_who_may_do_what(services: Container, client: TestClient) -> None:
    reader, one, two = (
        make_client(services, client, name, scope)
        for name, scope in (("r", "read"), ("one", "submit"), ("two", "submit"))
    )

    def try_put(headers: dict[str, str]) -> int:
        answer = client.put("/v1/datasets/mine", content=FILE, headers=BINARY | headers)
        return answer.status_code

    assert try_put(reader) == 403
    assert try_put({"Authorization": ""}) == 401
    assert try_put(one) == 201
    assert client.get("/v1/datasets/mine", headers=reader).json()["registered"]["owner"] == "one"
    assert client.delete("/v1/datasets/mine", headers=reader).status_code == 403
    refused = client.delete("/v1/datasets/mine", headers=two)
    assert (refused.status_code, "belongs to 'one'" in refused.json()["detail"]) == (403, True)
    assert client.delete("/v1/datasets/mine", headers=one).status_code == 204
    assert try_put(two) == 201
    assert client.delete("/v1/datasets/mine").status_code == 204  # an admin's key


@pytest.mark.parametrize(
    ("kind", "spec", "places"),
    [
        ("meta-training", SPEC, ["task.dataset"]),
        (
            "meta-training",
            {**BASE, "tasks": {"mlp": {"datasets": ["mnist5k", "mine"]}}},
            ["tasks.mlp.datasets.1", "tasks.validation.1.dataset"],
        ),
        (
            "meta-training",
            {
                **BASE,
                "tasks": {
                    "described": {
                        "networks": [[{"kind": "linear"}]],
                        "datasets": ["mine"],
                        "sides": [None],
                    }
                },
            },
            ["tasks.described.datasets.0"],
        ),
        (
            "evaluation",
            {"optimizers": ["a@1"], "suite": "table1", "quick": True, "dataset": "mine"},
            ["dataset"],
        ),
        (
            "study",
            {
                "base": TINY,
                "space": {"task.dataset": {"kind": "choice", "options": ["mnist5k", "mine"]}},
            },
            ["space.task.dataset.options.1"],
        ),
    ],
)
def test_a_submission_pins_the_digest(
    client: TestClient,
    registry: InMemoryRegistry,
    kind: str,
    spec: dict[str, Any],
    places: list[str],
) -> None:
    from tests.registry.thetas import make_theta

    registry.create_version("a", make_theta(), key="1")
    refused = submit(client, spec, kind)
    assert fields(refused)[0] == f"spec.{places[0]}"
    assert "hyperadam datasets register mine FILE" in refused.json()["detail"]
    put(client)
    job = submit(client, spec, kind)
    assert job.status_code == 201, job.text
    for place in places:
        assert find(job.json()["spec"], place) == f"mine@{SHA256}"
    stored = job.json()["spec"]
    assert submit(client, stored, kind).json()["spec"] == stored


def find(value: Any, place: str) -> Any:
    """The value at a dotted path; keys of a study's space have dots themselves."""
    if not place:
        return value
    if isinstance(value, list):
        head, _, rest = place.partition(".")
        return find(value[int(head)], rest)
    for key in value:
        if place == key or place.startswith(f"{key}."):
            return find(value[key], place[len(key) + 1 :])
    raise KeyError(place)


def test_labels_of_a_study_stay_readable(client: TestClient) -> None:
    put(client)
    space = {"task.dataset": {"kind": "choice", "options": ["mnist5k", "mine"]}}
    job = submit(client, {"base": TINY, "space": space}, "study").json()
    assert job["spec"]["space"]["task.dataset"]["labels"] == ["mnist5k", "mine"]


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"tasks": {"cnn": {"datasets": ["mine"]}}}, "kind cnn needs images"),
        ({"tasks": {"mlp": {"datasets": ["mine"], "sides": [None, 7]}}}, "side must be null"),
        ({"tasks": {"network": {"datasets": ["mine"], "sides": [None]}}}, "network cnn needs"),
        (
            {"tasks": {"network": {"networks": ["regression"], "datasets": ["mine"]}}},
            "side must be null",
        ),
        ({"task": {"dataset": "numbers"}}, "kind mlp needs labels"),
    ],
)
def test_a_learner_that_does_not_fit_is_refused(
    client: TestClient, task: dict[str, Any], message: str
) -> None:
    put(client)
    inputs = make_arrays(20)["inputs"]
    put(client, name="numbers", data=to_npz({"inputs": inputs, "targets": inputs[:, 0]}))
    refused = submit(client, {**BASE, **task})
    assert fields(refused) == [f"spec.{next(iter(task))}"]
    assert message in refused.json()["detail"]


def test_a_typing_error_names_what_was_meant(client: TestClient) -> None:
    put(client)
    refused = submit(client, {"task": {"dataset": "mnst5k"}})
    assert fields(refused) == ["spec.task.dataset"]
    assert "did you mean mnist5k?" in refused.json()["detail"]
    refused = submit(client, {"task": {"dataset": f"mine@{'0' * 64}"}})
    assert "of this digest was deleted" in refused.json()["detail"]
    refused = submit(client, {"task": {"dataset": "../mine"}})
    assert "must be one of mnist5k" in refused.json()["detail"]


def test_a_job_that_has_not_ended_keeps_its_dataset(stage: Stage) -> None:
    client = stage.client
    put(client)
    job = submit(client, SPEC).json()["id"]
    refused = client.delete("/v1/datasets/mine")
    assert (refused.status_code, job in refused.json()["detail"]) == (409, True)
    client.post(f"/v1/jobs/{job}/cancel")
    assert client.delete("/v1/datasets/mine").status_code == 204


def test_what_nobody_used_for_long_is_pruned(services: Container, client: TestClient) -> None:
    put(client)
    put(client, name="other", data=to_npz(make_arrays(12)))
    job = submit(client, SPEC).json()["id"]
    pruner = Pruner(
        settings=services.settings, database=services.database, registry=services.registry
    )
    assert pruner.prune("datasets", now() - timedelta(hours=1)).n_items == 0
    found = pruner.prune("datasets", now() + timedelta(hours=1))
    assert (found.n_items, client.get("/v1/datasets/other").status_code) == (1, 404)
    client.post(f"/v1/jobs/{job}/cancel")
    found = pruner.prune("datasets", now() + timedelta(hours=1))
    assert (found.n_items, found.n_bytes) == (1, len(FILE))
    assert client.get("/v1/datasets/mine").status_code == 404


def test_another_projects_dataset_is_not_there(services: Container, client: TestClient) -> None:
    for name in ("vision", "audio"):
        assert client.post("/v1/projects", json={"name": name}).status_code == 201
    vision, audio = (
        {"Authorization": f"Bearer {services.api_keys.create('k', ['submit'], project=name).key}"}
        for name in ("vision", "audio")
    )
    path = "/v1/datasets/mine"
    made = client.put(path, content=FILE, headers=BINARY | vision)
    assert made.json()["registered"]["project"] == "vision"
    assert client.get(path, headers=vision).status_code == 200
    for answer in (client.get(path, headers=audio), client.delete(path, headers=audio)):
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no dataset 'mine'")
    items = client.get("/v1/datasets", headers=audio).json()["items"]
    assert [item["name"] for item in items if item["registered"]] == []
    taken = client.put(path, content=FILE, headers=BINARY | audio)
    assert (taken.status_code, SHA256 in taken.text) == (403, False)
    body = {"kind": "meta-training", "spec": SPEC}
    assert fields(client.post("/v1/jobs", json=body, headers=audio)) == ["spec.task.dataset"]
    assert client.post("/v1/jobs", json=body, headers=vision).status_code == 201


def test_a_job_trains_on_it_and_its_theta_says_so(
    stage: Stage, registry: InMemoryRegistry, tmp_path: Any
) -> None:
    """By the driver itself, which has the file from the registry."""
    put(stage.client)
    job = submit(stage.client, SPEC).json()["id"]
    stage.tick()
    run_id = registry.find_run(job)
    assert run_id is not None
    settings = DriverSettings(
        tracking_uri="memory", data_dir=str(tmp_path / "data"), runner="in-process"
    )
    assert run_attempt(registry, run_id, 1, settings)
    [version] = registry.versions("hyperadam")
    assert version.manifest["provenance"]["datasets"] == {f"mine@{SHA256}": SHA256}
    assert (tmp_path / "data" / "registered" / SHA256).read_bytes() == FILE
