"""A backup of a service that goes on to take jobs, and the service that comes of it."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from tests.services.test_cli import COMMAND, Service, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PATIENCE_SECONDS = 500


def run(*arguments: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def hash_versions(service: Service) -> dict[int, str]:
    """Number → digest, by the file's ETag."""
    digests = {}
    for version in service.get("/v1/optimizers/quick/versions")["items"]:
        path = f"/v1/optimizers/quick/versions/{version['number']}/weights"
        answer = service.http.get(path).raise_for_status()
        assert answer.headers["etag"].strip('"') == version["sha256"]
        digests[version["number"]] = version["sha256"]
    return digests


def test_a_restored_service_has_every_theta_and_every_job_of_before(tmp_path: Path) -> None:
    submitted: list[str] = []
    stopped = threading.Event()

    def submit_all_the_time(service: Service) -> None:
        while not stopped.wait(0.5):
            submitted.append(service.submit())

    with running(tmp_path / "home") as service:
        service.http.timeout = PATIENCE_SECONDS
        first = service.submit()
        service.wait(first, "succeeded", seconds=PATIENCE_SECONDS)
        client = threading.Thread(target=submit_all_the_time, args=[service])
        client.start()
        while len(submitted) < 3:
            stopped.wait(0.1)
        before = [first, *submitted]
        digests = hash_versions(service)
        run("backup", str(tmp_path / "backup"), "--home", str(tmp_path / "home"))
        n_meanwhile = len(submitted) - len(before) + 1
        stopped.set()
        client.join()

    assert n_meanwhile > 0, "nothing was submitted while the backup was made"
    run("restore", str(tmp_path / "backup"), "--home", str(tmp_path / "new"))
    with running(tmp_path / "new") as service:
        service.http.timeout = PATIENCE_SECONDS
        restored = hash_versions(service)
        assert digests.items() <= restored.items()
        for job_id in before:
            assert service.get(f"/v1/jobs/{job_id}")["id"] == job_id
        service.wait(before[1], "succeeded", seconds=PATIENCE_SECONDS)
