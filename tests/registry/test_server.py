"""Behind a real MLflow server: what goes another way there than on a database."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient

from registry import (
    AliasMoved,
    AliasProtected,
    ArtifactNotFound,
    Evaluation,
    MetricPoint,
    OptimizerNotFound,
    Registry,
    RegistryError,
    RunNotFound,
    VersionNotFound,
    connect,
)
from registry.mlflow_backend import locks
from tests.endings import end_all
from tests.registry.stores import place_store
from tests.registry.test_processes import check_race
from tests.registry.thetas import make_theta

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    database = place_store(folder / "mlflow.db")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--workers",
        "1",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{database}",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(url, process, folder / "log")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        end_all({"mlflow": process}, {"mlflow": folder / "log"})


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the MLflow server did not start:\n{log.read_text()}")


@pytest.fixture
def registry(server: str) -> Registry:
    return connect(server)


def test_metrics(registry: Registry) -> None:
    run = registry.open_run("metrics", name="run")
    first = datetime(2026, 1, 1, tzinfo=UTC)
    second = datetime(2026, 1, 2, tzinfo=UTC)
    values = [0.1, math.inf, math.nan, -math.inf]
    registry.log_metrics(
        run, [MetricPoint(name="a", value=v, step=i, time=first) for i, v in enumerate(values)]
    )
    registry.log_metrics(run, [MetricPoint(name="a", value=0.2, step=0, time=second)])
    read = registry.metrics(run, "a")
    assert [(p.step, repr(p.value)) for p in read] == [
        (0, "0.2"),
        (1, "inf"),
        (2, "nan"),
        (3, "-inf"),
    ]
    assert [p.time for p in read] == [second, first, first, first]
    assert [p.step for p in registry.metrics(run, "a", after_step=1, limit=1)] == [2]


def test_artifacts(registry: Registry) -> None:
    run = registry.open_run("artifacts", name="run")
    registry.put_artifact(run, "a/b/c", b"old")
    registry.put_artifact(run, "a/b/c", bytes(range(256)))
    registry.put_artifact(run, "d", b"")
    assert registry.get_artifact(run, "a/b/c") == bytes(range(256))
    assert [(a.path, a.size_bytes) for a in registry.list_artifacts(run)] == [
        ("a/b/c", 256),
        ("d", 0),
    ]
    assert [a.path for a in registry.list_artifacts(run, "a")] == ["a/b/c"]
    assert registry.list_artifacts(run, "nowhere") == []
    registry.delete_artifact(run, "a/b/c")
    registry.delete_artifact(run, "a/b/c")
    with pytest.raises(ArtifactNotFound):
        registry.get_artifact(run, "a/b/c")


def test_versions_and_aliases(registry: Registry, server: str) -> None:
    run = registry.open_run("versions", name="run")
    made = registry.create_version("cnn", make_theta(), key="k1", run_id=run, tags={"a": "b"})
    upload = registry.create_version("cnn", make_theta(1), key="k2")
    registry.set_alias("cnn", "champion", 2, actor="ann", reason="Θ\n")
    other = connect(server)
    assert other.create_version("cnn", make_theta(), key="k1", run_id=run) == made
    assert other.version("cnn", "champion").sha256 == upload.sha256
    assert other.weights("cnn", 1) == make_theta().to_bytes()
    assert [v.number for v in other.versions("cnn")] == [2, 1]
    assert "cnn" in other.optimizers()
    assert [(c.alias, c.new_version, c.reason) for c in other.alias_history("cnn")] == [
        ("champion", 2, "Θ\n")
    ]


def test_notes_and_promotions(registry: Registry, server: str) -> None:
    registry.create_version("noted", make_theta(), key="k", tags={"env": "test"})
    registry.annotate("noted", 1, description="Θ\n", tags={"env": None, "team": "a"})
    evaluation = Evaluation(
        key="job_e", evaluated_at=datetime(2026, 1, 2, tzinfo=UTC), summary={"mean": 0.5}
    )
    registry.attach_evaluation("noted", 1, evaluation)
    registry.set_alias("noted", "champion", 1, actor="ann", protected=True)
    seen = connect(server).version("noted", "champion")
    assert (seen.description, dict(seen.tags), seen.evaluations) == (
        "Θ\n",
        {"team": "a"},
        (evaluation,),
    )
    with pytest.raises(AliasProtected):
        registry.delete_alias("noted", "champion", actor="ann")
    with pytest.raises(AliasMoved):
        registry.promote("noted", "champion", 1, expected=None, actor="job_1")


def test_what_does_not_exist(registry: Registry) -> None:
    with pytest.raises(RunNotFound):
        registry.metric_names("0" * 32)
    with pytest.raises(OptimizerNotFound):
        registry.version("nothing", "1")
    registry.create_version("one", make_theta(), key="k")
    with pytest.raises(VersionNotFound):
        registry.version("one", "2")


def test_a_lease_of_a_dead_holder_ends(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE_SECONDS", 0.5)
    client = MlflowClient(server, server)
    holder = locks.LeaseLocks(client).hold("x")
    holder.__enter__()
    started = time.monotonic()
    with locks.LeaseLocks(client).hold("x"):
        assert time.monotonic() - started > 0.5
    assert client.search_registered_models(f"name LIKE '{locks.LEASE_PREFIX}%'") == []


def test_a_lease_that_is_held_is_waited_for(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "TIMEOUT_SECONDS", 0.3)
    client = MlflowClient(server, server)
    with (
        locks.LeaseLocks(client).hold("y"),
        pytest.raises(RegistryError, match="not free"),
        locks.LeaseLocks(client).hold("y"),
    ):
        pytest.fail("two hold one lock")


def test_racing_processes(server: str) -> None:
    check_race(server, "")
