"""The commands of docker-compose.yml without containers.

Postgres is real, and so is the Ray head, which asks for its token.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.embedded.ray_holder import find_free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TOP = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKER_STOP_SECONDS = 10
"""What `docker stop` waits where the compose file does not say otherwise."""


@pytest.fixture
def ray_head() -> Iterator[tuple[str, str]]:
    """The head of the compose file on free ports; gives its dashboard's address and the token."""
    port, dashboard_port, client_port = find_free_ports(3)
    token = secrets.token_hex(32)
    replacements = {
        "--port=6379": f"--port={port}",
        "--dashboard-host=0.0.0.0": "--dashboard-host=127.0.0.1",
    }
    command = [replacements.get(word, word) for word in SERVICES["ray-head"]["command"]]
    assert set(replacements.values()) <= set(command), "the compose file's command has changed"
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as name:
        folder = Path(name)  # short: Ray keeps sockets below it
        (folder / "token").write_text(token)
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        }
        options = [
            f"--dashboard-port={dashboard_port}",
            f"--ray-client-server-port={client_port}",
            f"--temp-dir={folder / 'ray'}",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [BIN / command[0], *command[1:], *options],
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            yield f"http://127.0.0.1:{dashboard_port}", token
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """As `docker stop` would: ask it, give it time, and kill it if that was not enough.

    Ray drains its node for half a minute and more, and `docker stop` does not wait for that. Ray's
    reaper ends the rest. Where Ray ends by itself its status is 1, so `tests.endings`, which takes
    that for a complaint, is for parts of this service alone.
    """
    process.terminate()
    try:
        process.wait(timeout=DOCKER_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def jobs_status(address: str, token: str | None) -> int:
    """What the Jobs API answers, or 0 where nobody answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{address}/api/jobs/", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0  # not up yet


def test_the_ray_head_refuses_whoever_has_no_token(ray_head: tuple[str, str]) -> None:
    address, token = ray_head
    deadline = time.monotonic() + 60
    while (status := jobs_status(address, token)) != 200 and time.monotonic() < deadline:
        time.sleep(0.3)
    assert status == 200
    assert jobs_status(address, None) == 401
    assert jobs_status(address, "f" * 64) in (401, 403)


def test_migrate_makes_both_databases_ready_and_may_be_repeated(
    postgres: Any, tmp_path: Path
) -> None:
    import sqlalchemy

    jobs = postgres.create_database()
    registry = postgres.create_database()
    environment = {
        **os.environ,
        "HYPERADAM_HOME": str(tmp_path),
        "HYPERADAM_DATABASE_URL": jobs,
        "HYPERADAM_TRACKING_URI": registry,
        "HYPERADAM_ARTIFACT_LOCATION": str(tmp_path / "artifacts"),
    }
    command = SERVICES["migrate"]["command"]
    for _ in range(2):
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for url, table in ((jobs, "jobs"), (registry, "registered_models")):
        engine = sqlalchemy.create_engine(url)
        assert table in sqlalchemy.inspect(engine).get_table_names()
        engine.dispose()
