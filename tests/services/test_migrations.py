"""The migrations and the mapped classes are the same schema; upgrading is repeatable and safe when several do it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

from services.database.base import Database
from services.database.metadata import metadata
from services.database.migrations import configuration, upgrade
from services.jobs.tables import Job

pytestmark = pytest.mark.slow


def test_metadata_equals_migrations(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/jobs.db")
    upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata()) == []
    database.dispose()


def test_jobs_of_the_first_schema_get_through_to_the_newest_and_back(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/jobs.db")
    upgrade(database, "0001")
    values = "'job_1', 'evaluation', '{}', '{}', 'queued', 'me', '2026-01-01 00:00:00.000000', 0, 0, 0, 0"
    with database.write() as session:
        columns = "id, kind, labels, spec, state, actor, created_at, attempt, progress, last_event_id, log_bytes"
        session.execute(text(f"INSERT INTO jobs ({columns}) VALUES ({values})"))
    upgrade(database)
    with database.read() as session:
        job = session.scalars(select(Job)).one()
    assert (job.id, job.lost_attempts, job.lost_progress, job.retry_at) == ("job_1", 0, 0.0, None)
    command.downgrade(configuration(database), "0001")
    assert "retry_at" not in {column["name"] for column in inspect(database.engine).get_columns("jobs")}
    database.dispose()


def test_upgrade_is_repeatable_and_safe_side_by_side(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    code = "import sys; from services.database import base, migrations; migrations.upgrade(base.Database(sys.argv[1]))"
    processes = [subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    database = Database(url)
    upgrade(database)
    assert {"jobs", "attempts", "events", "api_keys"} <= set(inspect(database.engine).get_table_names())
    database.dispose()
