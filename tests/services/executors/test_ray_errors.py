"""What becomes of Ray's errors: nothing is known of a job, or Ray does not know it."""

from __future__ import annotations

import pytest

from services.embedded import up
from services.executors import ray_jobs
from services.executors.contract import ExecutorUnavailable
from services.executors.ray_jobs import RayJobsExecutor
from services.settings import Settings


def refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> RayJobsExecutor:
    """An executor whose every request ends in this error."""

    class Client:
        def __init__(self, address: str, headers: dict[str, str]) -> None:
            pass

        def __getattr__(self, name: str) -> object:
            raise error

    monkeypatch.setattr(ray_jobs, "_Client", Client)
    return RayJobsExecutor(lambda: "http://127.0.0.1:1", grace_seconds=1)


def test_a_job_that_ray_does_not_know_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = refuse(monkeypatch, RuntimeError("Request failed with status code 404: no job"))
    assert executor.status("job") == "unknown"
    assert executor.log("job") == b""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("Request failed with status code 500: oh"), "Ray refused a request: .*500"),
        (ConnectionError("refused"), "Ray does not answer: refused"),
    ],
)
def test_of_other_errors_nothing_follows_for_a_job(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    executor = refuse(monkeypatch, error)
    for ask in (executor.status, executor.log):
        with pytest.raises(ExecutorUnavailable, match=message):
            ask("job")
    with pytest.raises(ExecutorUnavailable, match=message):
        executor.check()


def test_the_embedded_cluster_runs_as_long_as_its_executor(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    class Cluster:
        def __init__(self, home: object) -> None:
            pass

        def start(self) -> None:
            steps.append("start")

        def stop(self) -> None:
            steps.append("stop")

        def address(self) -> str:
            return "http://127.0.0.1:1"

        def headers(self) -> dict[str, str]:
            return {}

    monkeypatch.setattr(up, "EmbeddedRay", Cluster)
    changes = {"executor": "ray", "standby": False}
    with up._open_executor(settings.model_copy(update=changes)) as executor:
        assert isinstance(executor, RayJobsExecutor)
        assert steps == ["start"]
    assert steps == ["start", "stop"]
