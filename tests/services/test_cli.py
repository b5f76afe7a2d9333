"""The command `hyperadam-server`: keys and migrations in process; `up` with real drivers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hyperadam import __version__
from typer.testing import CliRunner

from services.audit.tables import AuditedRequest
from services.auth.service import ApiKeys
from services.cli import app
from services.database.base import Database
from services.embedded.home import Home
from services.executors.process import ProcessExecutor
from tests.endings import ENVIRONMENT, end_all

COMMAND = [sys.executable, "-m", "services.cli"]
TINY = {
    "preset": "quick",
    "n_episodes": 1,
    "task": {"activations": ["sigmoid"]},
    "checkpoint_every_updates": 1,
}


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    return CliRunner(env={"HYPERADAM_HOME": str(tmp_path), "COLUMNS": "200"})


@pytest.fixture
def kept(migrated_sqlite: Path, tmp_path: Path) -> None:
    """The home has a job store."""
    shutil.copy(migrated_sqlite, tmp_path / "jobs.db")


@pytest.mark.usefixtures("kept")
def test_keys_made_on_the_machine_are_in_the_audit_log(runner: CliRunner, tmp_path: Path) -> None:
    made = runner.invoke(app, ["keys", "create", "robot"]).stdout.strip()
    key_id = made.split("_")[1]
    assert runner.invoke(app, ["keys", "revoke", key_id]).exit_code == 0
    database = Database(f"sqlite:///{tmp_path}/jobs.db")
    with database.read() as session:
        rows = session.query(AuditedRequest).order_by(AuditedRequest.seq).all()
    database.dispose()
    assert [(row.actor, row.method, row.status) for row in rows] == [
        ("hyperadam-server", "POST", 201),
        ("hyperadam-server", "DELETE", 204),
    ]
    assert rows[0].subject == f"key {key_id} of robot"


@pytest.mark.usefixtures("kept")
def test_keys_are_made_listed_and_revoked(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["keys", "create", "robot", "--scope", "submit", "--expires-in-days", "7"]
    )
    assert result.exit_code == 0, result.output
    key = result.stdout.strip()
    database = Database(f"sqlite:///{tmp_path}/jobs.db")
    holder = ApiKeys(database).verify(key)
    assert holder is not None
    assert (holder.name, holder.scopes) == ("robot", {"read", "submit"})
    listed = runner.invoke(app, ["keys", "list"]).stdout
    assert holder.key_id in listed
    assert key not in listed
    assert runner.invoke(app, ["keys", "revoke", holder.key_id]).exit_code == 0
    assert ApiKeys(database).verify(key) is None
    database.dispose()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["keys", "create", "robot", "--scope", "root"], "scopes must be of read, submit, admin"),
        (["keys", "create", "robot", "--expires-in-days", "0"], "expires_at must be in the future"),
        (["keys", "revoke", "nobodyxx"], "no API key has the id"),
        (["reconciler"], "RAY_ADDRESS is not set"),
    ],
)
@pytest.mark.usefixtures("kept")
def test_mistakes_are_told_in_a_sentence(
    runner: CliRunner, arguments: list[str], message: str
) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HYPERADAM_PORT", "70000", "port: "),
        ("HYPERADAM_DATABASE_PASSWORD_FILE", "/does/not/exist", "cannot read /does/not/exist"),
        ("HYPERADAM_MAX_RUNING_JOBS", "7", "did you mean HYPERADAM_MAX_RUNNING_JOBS?"),
        ("HYPERADAM_QUEUE", "7", "HYPERADAM_QUEUE is no setting"),
        ("HYPERADAM_HOME", "/tmp/100%", "home must not have %"),
        ("HYPERADAM_HOME", "/tmp/really?", "home must not have ?"),
        ("HYPERADAM_HOME", "~nobody-here/x", "home must be the path of a folder"),
        ("DATABASE_URL", "sqlite:////does/not/exist/jobs.db", "the job store cannot be opened"),
    ],
)
def test_wrong_settings_are_told_in_a_sentence(
    runner: CliRunner, variable: str, value: str, message: str
) -> None:
    result = runner.invoke(app, ["migrate"], env={variable: value})
    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.slow
def test_migrate_makes_a_new_home(runner: CliRunner, tmp_path: Path) -> None:
    home = tmp_path / "below" / "new"
    for _ in range(2):
        result = runner.invoke(app, ["migrate", "--home", str(home)])
        assert result.exit_code == 0, result.output
    assert {"jobs.db", "mlflow.db"} <= {path.name for path in home.iterdir()}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_it_says_its_version(runner: CliRunner) -> None:
    assert runner.invoke(app, ["--version"]).stdout == f"hyperadam-server {__version__}\n"


def test_brackets_in_help_are_text(runner: CliRunner) -> None:
    assert "[default: 127.0.0.1]" in runner.invoke(app, ["up", "--help"]).stdout


def test_second_service_on_a_home_is_refused_clearly(runner: CliRunner, tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.lock():
        home.announce("http://127.0.0.1:1234")
        result = runner.invoke(app, ["up"])
    assert result.exit_code == 1
    holder = f"http://127.0.0.1:1234 (process {os.getpid()})"
    assert f"already runs on {tmp_path}: {holder}" in result.stderr
    assert not (tmp_path / "server.json").exists()


# --- the whole service ----------------------------------------------------------------------------


@dataclass
class Service:
    process: subprocess.Popen[str]
    http: httpx2.Client
    log: Path

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def end(self, number: signal.Signals) -> str:
        """Ask it to end; returns what it wrote to its terminal."""
        end_all({"up": self.process}, {"up": self.log}, number=number)
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def submit(self, **spec: Any) -> str:
        request = {"kind": "meta-training", "spec": {**TINY, **spec}}
        answer = self.http.post("/v1/jobs", json=request)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def wait(self, job_id: str, *states: str, seconds: float = 240) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            job: dict[str, Any] = self.get(f"/v1/jobs/{job_id}")
            if job["state"] in states:
                return job
            assert time.monotonic() < deadline, job
            assert job["state"] not in {"failed", "cancelled"}, job
            time.sleep(0.1)


@contextmanager
def running(home: Path, **environment: str) -> Iterator[Service]:
    """`hyperadam-server up` with plain processes as executor.

    It is killed at the end, should it still live.
    """
    variables = {
        **os.environ,
        "HYPERADAM_EXECUTOR": "process",
        "HYPERADAM_STANDBY": "0",
        **ENVIRONMENT,
        **environment,
    }
    log = (home.parent / "up.log").open("w")
    command = [*COMMAND, "up", "--home", str(home), "--port", "0"]
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        server = _wait_for_announcement(home, process)
        key = (home / server["api_key_file"]).read_text()
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=server["url"], headers=headers) as http:
            yield Service(process, http, home.parent / "up.log")
    finally:
        process.kill()
        process.communicate()
        log.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose drivers are gone at the end, whatever became of the test."""
    yield tmp_path / "home"
    executor = ProcessExecutor(tmp_path / "home" / "processes")
    for folder in (tmp_path / "home" / "processes").glob("*"):
        executor.kill(folder.name)


def _wait_for_announcement(home: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    deadline = time.monotonic() + 240
    while True:
        with suppress(FileNotFoundError):
            server: dict[str, Any] = json.loads((home / "server.json").read_text())
            if server["pid"] == process.pid:
                return server
        assert process.poll() is None, (home.parent / "up.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_up_runs_jobs_and_a_stopped_one_goes_on_at_the_next_start(home: Path) -> None:
    with running(home, HYPERADAM_STANDBY="1") as service:
        assert (home / "api-key").stat().st_mode & 0o777 == 0o600
        first = service.submit()
        job = service.wait(first, "succeeded")
        assert job["version"]["number"] == 1
        log = service.get(f"/v1/jobs/{first}/logs")["text"]
        assert 0 < log.index("standby: ready") < log.index("attempt 1 of run"), log
        assert service.http.get("/readyz").status_code == 200
        long = service.submit(n_episodes=500)
        service.wait(long, "running")
        while not service.get(f"/v1/jobs/{long}/checkpoints")["items"]:
            time.sleep(0.1)
        output = service.end(signal.SIGTERM)
        assert service.process.returncode == 0
        assert (home / "api-key").read_text() not in output
        assert str(home / "api-key") in output
        assert not (home / "server.json").exists()
    with running(home) as service:
        started = _wait_for_start(service, long, attempt=2)
        assert started["data"]["resumed_from"] > 0
        assert service.http.post(f"/v1/jobs/{long}/cancel").status_code == 202
        deadline = time.monotonic() + 60
        while service.get(f"/v1/jobs/{long}")["state"] != "cancelled":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        attempts = service.get(f"/v1/jobs/{long}/attempts")["items"]
        assert [attempt["state"] for attempt in attempts] == ["stopped", "stopped"]
        output = service.end(signal.SIGINT)
        assert service.process.returncode == 0
        assert "API key" not in output


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_service_finds_its_drivers_again(home: Path) -> None:
    with running(home) as service:
        job = service.submit(n_episodes=4)
        service.wait(job, "running")
        service.process.kill()
        service.process.wait()
    with running(home) as service:
        done = service.wait(job, "succeeded")
        assert done["attempt"] == 1
        versions = service.get("/v1/optimizers/quick/versions")["items"]
        assert [version["number"] for version in versions] == [1]
        events = service.get(f"/v1/jobs/{job}/events?limit=1000")["items"]
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        assert [event["type"] for event in events].count("started") == 1


def _wait_for_start(service: Service, job_id: str, attempt: int) -> dict[str, Any]:
    """The event with which the attempt began."""
    deadline = time.monotonic() + 60
    while True:
        events: list[dict[str, Any]] = service.get(f"/v1/jobs/{job_id}/events?limit=5000")["items"]
        for event in events:
            if event["type"] == "started" and event["attempt"] == attempt:
                return event
        assert time.monotonic() < deadline
        time.sleep(0.1)
