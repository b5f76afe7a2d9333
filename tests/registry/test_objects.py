"""Files of runs in a bucket: of real servers on loopback that speak S3, and Google's protocol."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meta_trainer.runs.run_recorder import RunRecorder
from registry import (
    ArtifactInfo,
    ArtifactNotFound,
    OptimizerNotFound,
    RegistryError,
    connect,
)
from registry.mlflow_backend import MLflowRegistry
from registry.records import theta_path
from tests.registry.object_stores import serve_gcs, serve_s3
from tests.registry.thetas import make_theta

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning"),
]


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def s3(patch: pytest.MonkeyPatch) -> Iterator[str]:
    with serve_s3(patch) as uri:
        yield uri


@pytest.fixture(scope="module")
def gcs(patch: pytest.MonkeyPatch) -> Iterator[str]:
    with serve_gcs(patch) as uri:
        yield uri


@pytest.fixture(params=["s3", "gcs"])
def registry(request: pytest.FixtureRequest, sqlite_path: Path) -> Iterator[MLflowRegistry]:
    uri = request.getfixturevalue(request.param)
    registry = MLflowRegistry(f"sqlite:///{sqlite_path}", f"{uri}/{sqlite_path.parent.name}")
    yield registry
    registry.close()


def test_files_are_kept_found_replaced_and_removed(registry: MLflowRegistry) -> None:
    registry.check_files()
    run = registry.open_run("job_1", name="run")
    data = bytes(range(256)) * 100
    for path in ("z", "result/result.json", "result/a/deep.png", "resultant/x"):
        registry.put_artifact(run, path, path.encode())
    registry.put_artifact(run, "z", data)
    assert registry.get_artifact(run, "z") == data
    assert registry.list_artifacts(run, "result") == [
        ArtifactInfo(path="result/a/deep.png", size_bytes=17),
        ArtifactInfo(path="result/result.json", size_bytes=18),
    ]
    for missing in ("nothing", "result", "result/a", "z/below"):
        with pytest.raises(ArtifactNotFound):
            registry.get_artifact(run, missing)
    registry.delete_artifact(run, "z")
    registry.delete_artifact(run, "z")
    assert [file.path for file in registry.list_artifacts(run)] == [
        "result/a/deep.png",
        "result/result.json",
        "resultant/x",
    ]


def test_versions_and_runs(registry: MLflowRegistry) -> None:
    theta = make_theta()
    run = registry.open_run("job_1", name="run")
    registry.put_artifact(run, "job.json", b"{}")
    version = registry.create_version("cnn", theta, key="k1", run_id=run)
    assert registry.weights("cnn", version.number) == theta.to_bytes()
    registry.delete_run(run)
    [left] = registry.list_artifacts(run)
    assert left.path == theta_path(version.sha256)
    registry.delete_version("cnn", version.number, actor="tester")
    with pytest.raises(OptimizerNotFound):
        registry.versions("cnn")


def test_events_are_put_many_in_one_object(registry: MLflowRegistry) -> None:
    run = registry.open_run("job_1", name="run")
    recorder = RunRecorder(registry, run, attempt=1)
    for update in range(300):
        recorder.event("progress", {"update": update})
    recorder.flush()
    [file] = registry.list_artifacts(run, "events")
    assert registry.get_artifact(run, file.path).count(b"\n") == 300
    assert registry.gather_seconds == 5.0


def test_a_bucket_that_is_gone_is_told(s3: str, sqlite_path: Path) -> None:
    registry = MLflowRegistry(f"sqlite:///{sqlite_path}", "s3://no-such-bucket/runs")
    run = registry.open_run("job_1", name="run")
    for call in (
        registry.check_files,
        lambda: registry.put_artifact(run, "a", b""),
        lambda: registry.list_artifacts(run),
    ):
        with pytest.raises(RegistryError, match="bucket"):
            call()
    registry.close()


def test_a_store_that_does_not_answer_is_told(
    s3: str, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    registry = MLflowRegistry(f"sqlite:///{sqlite_path}", s3)
    with pytest.raises(RegistryError, match=r"artifact store failed: .*127\.0\.0\.1:9"):
        registry.check_files()
    registry.close()


def test_a_registry_that_was_opened_with_a_driver_needs_it_again(
    s3: str, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The experiment says where files are, whatever the settings say later."""
    MLflowRegistry(f"sqlite:///{sqlite_path}", s3).close()
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(RegistryError, match="boto3"):
        connect(f"sqlite:///{sqlite_path}")
