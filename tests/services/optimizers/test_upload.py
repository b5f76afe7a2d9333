"""A Θ made elsewhere becomes a version, to the byte; anything else is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient
from hyperadam.theta import MAX_FILE_BYTES

from services.container import Container
from tests.registry.thetas import make_theta
from tests.services.optimizers.conftest import CountingRegistry
from tests.services.support import list_error_fields

PATH = "/v1/optimizers/mine/versions"
BINARY = {"Content-Type": "application/octet-stream"}


def test_an_upload_comes_back_to_the_byte(client: TestClient) -> None:
    data = make_theta(5).to_bytes()
    answer = client.post(PATH, content=data, headers=BINARY)
    assert answer.status_code == 201
    assert answer.headers["Location"] == "versions/1"
    assert urljoin(f"http://x/below{PATH}", "versions/1") == f"http://x/below{PATH}/1"
    version = answer.json()
    assert (version["optimizer"], version["number"], version["job_id"]) == ("mine", 1, None)
    assert version["tags"] == {"source": "upload", "uploaded_by": "tester"}
    assert client.get(f"{PATH}/1/weights").content == data


def test_the_same_bytes_are_the_same_version(
    client: TestClient, registry: CountingRegistry
) -> None:
    data = make_theta(5).to_bytes()
    first = client.post(PATH, content=data, headers=BINARY)
    again = client.post(PATH, content=data, headers=BINARY)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    second = make_theta(2).to_bytes()
    same = client.post("/v1/optimizers/hyper/versions", content=second, headers=BINARY)
    assert (same.status_code, same.json()["number"]) == (200, 2)
    assert [len(registry.versions(name)) for name in ("mine", "hyper")] == [1, 3]


def test_of_racing_uploads_one_makes_the_version(
    client: TestClient, registry: CountingRegistry
) -> None:
    data = make_theta(5).to_bytes()
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(client.post, PATH, content=data, headers=BINARY) for _ in range(12)]
        answers = [upload.result() for upload in sent]
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert {answer.json()["number"] for answer in answers} == {1}
    assert len(registry.versions("mine")) == 1


def test_an_idempotency_key_is_for_one_upload(
    client: TestClient, registry: CountingRegistry
) -> None:
    headers = BINARY | {"Idempotency-Key": "one"}
    data = make_theta(5).to_bytes()
    first, again = (client.post(PATH, content=data, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    other = client.post(PATH, content=make_theta(6).to_bytes(), headers=headers)
    assert other.json()["type"] == "/problems/idempotency-mismatch"
    assert len(registry.versions("mine")) == 1


def test_bad_files_are_refused(
    client: TestClient, registry: CountingRegistry, subtests: pytest.Subtests
) -> None:
    good = make_theta(5).to_bytes()
    bad = {
        "empty": b"",
        "text": b"hello, optimizer",
        "cut": good[:-1],
        "longer": good + b"\0",
        "flipped": good[:-1] + bytes([good[-1] ^ 1]),
        "header": b"\xff" * 8 + good[8:],
        "pickle": b"\x80\x04\x95" + b"\0" * 64,
    }
    for name, data in bad.items():
        with subtests.test(name):
            answer = client.post(PATH, content=data, headers=BINARY)
            assert answer.status_code == 422
            assert list_error_fields(answer) == ["body"]
    assert registry.optimizers() == ["hyper"]


def test_a_file_over_the_limit_is_refused(client: TestClient) -> None:
    answer = client.post(PATH, content=b"\0" * (MAX_FILE_BYTES + 1), headers=BINARY)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"


def test_a_file_over_the_limit_of_other_calls_is_accepted(
    client: TestClient, services: Container
) -> None:
    padded = b"\0" * (services.settings.max_body_bytes + 1)
    assert client.post(PATH, content=padded, headers=BINARY).status_code == 422


@pytest.mark.parametrize(
    "media_type", ["application/json", "multipart/form-data", "application/octet-streams"]
)
def test_another_media_type_is_refused(client: TestClient, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    answer = client.post(PATH, content=make_theta(5).to_bytes(), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/unsupported-media-type"


def test_readers_may_not_upload(
    client: TestClient, services: Container, registry: CountingRegistry
) -> None:
    reader = services.api_keys.create("reader", ["read"]).key
    headers = BINARY | {"Authorization": f"Bearer {reader}"}
    assert client.post(PATH, content=make_theta(5).to_bytes(), headers=headers).status_code == 403
    assert registry.optimizers() == ["hyper"]


@pytest.mark.parametrize("tag", ["uploaded_by", "source"])
@pytest.mark.parametrize("value", ["somebody else", None])
def test_nobody_rewrites_who_uploaded_a_version(
    client: TestClient, tag: str, value: str | None
) -> None:
    answer = client.patch("/v1/optimizers/hyper/versions/1", json={"tags": {tag: value}})
    assert (answer.status_code, list_error_fields(answer)) == (422, [f"tags.{tag}"])
