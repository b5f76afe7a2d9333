"""The migrations and the mapped classes are the same schema; upgrading is repeatable and safe when several do it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from services.database.base import Database
from services.database.metadata import metadata
from services.database.migrations import upgrade


def test_metadata_equals_migrations(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/jobs.db")
    upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata()) == []
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
