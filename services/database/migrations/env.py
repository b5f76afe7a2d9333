"""Alembic's environment: runs the revisions, one process at a time.

The database is the one that `make_configuration` was given.
"""

from __future__ import annotations

from typing import Final

from alembic import context
from sqlalchemy import Connection, text

from services.database.base import Database
from services.database.metadata import load_metadata

_POSTGRES_LOCK: Final = 0x48_59_50_45_52  # any number that nothing else locks: "HYPER"


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=load_metadata(), transactional_ddl=True
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
        context.run_migrations()


def main() -> None:
    database: Database = context.config.attributes["database"]
    with database.engine.connect() as connection:
        _migrate(connection.execution_options(sqlite_begin="IMMEDIATE"))


main()
