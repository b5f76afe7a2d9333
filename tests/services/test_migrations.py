"""The migrations and the mapped classes are the same schema.

Upgrading is repeatable, and safe when several processes do it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from registry.memory import InMemoryRegistry
from services.auth import keys
from services.container import Container
from services.database.base import Database
from services.database.metadata import load_metadata
from services.database.migrations import make_configuration, upgrade
from services.idempotency.service import Post
from services.jobs import service, submission
from services.jobs.schemas import JobRequest
from services.settings import Settings

pytestmark = pytest.mark.slow


def test_metadata_equals_migrations(empty: Database) -> None:
    upgrade(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, load_metadata()) == []


MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REQUEST = JobRequest(kind="meta-training", name="old", spec={"preset": "quick"})
FIRST_DIGEST = sha256(
    b'{"kind": "meta-training", "labels": {}, "name": "old", "spec": {"preset": "quick"}}'
).hexdigest()
"""What the first release kept of the body of this very request."""


def first_rows(key: str) -> dict[str, dict[str, Any]]:
    """A row of each table, as the first release wrote them."""
    return {
        "api_keys": {
            "id": keys.parse_id(key),
            "name": "me",
            "prefix": "ha_x",
            "hash": keys.hash_key(key),
            "scopes": '["submit"]',
            "created_at": MOMENT,
        },
        "jobs": {
            "id": "job_1",
            "kind": "meta-training",
            "name": "old",
            "labels": '{"team": "a"}',
            "spec": "{}",
            "state": "running",
            "actor": "me",
            "created_at": MOMENT,
            "attempt": 1,
            "run_id": "r1",
            "progress": 0.5,
            "last_event_id": 1,
            "log_bytes": 5,
        },
        "attempts": {
            "job_id": "job_1",
            "number": 1,
            "state": "running",
            "created_at": MOMENT,
            "submitted_at": MOMENT,
            "event_files": 1,
            "log_bytes": 5,
        },
        "events": {
            "job_id": "job_1",
            "id": 1,
            "type": "started",
            "time": MOMENT,
            "attempt": 1,
            "data": "{}",
        },
        "log_chunks": {"job_id": "job_1", "start": 0, "attempt": 1, "data": b"words"},
        "idempotency_keys": {
            "key_id": keys.parse_id(key),
            "key": "once",
            "body_sha256": FIRST_DIGEST,
            "job_id": "job_1",
            "created_at": MOMENT,
        },
        "leases": {"name": "reconciler", "owner": "o", "expires_at": MOMENT, "executor": "ok"},
    }


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/jobs.db"
    else:
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    yield database
    database.dispose()


def test_rows_of_the_first_schema_get_through_to_the_newest_and_back(
    empty: Database, tmp_path: Path
) -> None:
    key = keys.draw_key()
    upgrade(empty, "0001")
    with empty.write() as session:
        for table, row in first_rows(key).items():
            names = ", ".join(f":{name}" for name in row)
            session.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({names})"), row)
    upgrade(empty)
    services = Container(
        settings=Settings(home=tmp_path, database_url=str(empty.engine.url)),
        database=empty,
        registry=InMemoryRegistry(),
    )
    principal = services.api_keys.verify(key)
    assert principal is not None
    job = service.show_job(services, "job_1")
    assert (job.name, job.labels, job.progress, job.state) == ("old", {"team": "a"}, 0.5, "running")
    assert (job.priority, job.deadline, job.cloned_from, job.created_at) == (0, None, None, MOMENT)
    events = service.list_events(services, "job_1", after=0, limit=9).items
    assert [event.type for event in events] == ["started"]
    assert service.read_log(services, "job_1") == b"words"
    again = Post(principal=principal, operation="POST /v1/jobs", key="once")
    assert submission.submit_job(services, REQUEST, again)[0].id == "job_1"
    command.downgrade(make_configuration(empty), "0001")
    with empty.read() as session:
        for table, row in first_rows(key).items():
            assert session.execute(text(f"SELECT {', '.join(row)} FROM {table}")).all(), table
    columns = inspect(empty.engine).get_columns("jobs")
    assert "priority" not in {column["name"] for column in columns}


UPGRADE = """
import sys
from services.database import base, migrations
migrations.upgrade(base.Database(sys.argv[1]))
"""


def test_upgrade_is_repeatable_and_safe_side_by_side(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    command_line = [sys.executable, "-c", UPGRADE, url]
    processes = [subprocess.Popen(command_line, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    database = Database(url)
    upgrade(database)
    tables = set(inspect(database.engine).get_table_names())
    assert {"jobs", "attempts", "events", "api_keys"} <= tables
    database.dispose()
