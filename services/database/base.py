"""SQLAlchemy base class and engine of the job store, the same on SQLite and on Postgres.

On SQLite the database is in WAL mode: readers never wait, and a writer takes its lock at BEGIN
(`BEGIN IMMEDIATE`), so that a transaction which reads and then writes can neither deadlock nor see
its reads grow stale. On Postgres the same safety comes from locking the rows that are to change
(`with_for_update`, which SQLite ignores).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from sqlalchemy import JSON, DateTime, Dialect, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

_BUSY_SECONDS: Final = 30
_SQLITE_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",  # what was answered 201 is there after a power failure
    "foreign_keys=ON",
    f"busy_timeout={_BUSY_SECONDS * 1000}",
)


class Base(DeclarativeBase):
    """Base of all mapped classes.

    Constraints have predictable names, so that migrations can address them.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
    }


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: always with time zone in Python, stored in UTC (SQLite keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a stored moment needs a time zone, got {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


def now() -> datetime:
    return datetime.now(UTC)


class Database:
    """Engine and sessions. Objects stay readable after their transaction (nothing expires)."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        parsed = make_url(url)
        self.is_sqlite: Final = parsed.get_backend_name() == "sqlite"
        self.engine: Final[Engine] = create_engine(
            parsed,
            connect_args={"timeout": _BUSY_SECONDS} if self.is_sqlite else {},
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=not self.is_sqlite,
        )

        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

        writing_engine = self.engine.execution_options(sqlite_begin="IMMEDIATE")
        self._readers = sessionmaker(self.engine, expire_on_commit=False)
        self._writers = sessionmaker(writing_engine, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads; rolled back at its end."""
        with self._readers() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that writes: all or nothing.

        It is committed when the block ends without an exception.
        """
        with self._writers.begin() as session:
            yield session

    def read_clock(self, session: Session) -> datetime:
        """The database's own time, which is one for all that share it."""
        if self.is_sqlite:
            moment = session.scalar(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')"))
            return datetime.fromisoformat(str(moment)).replace(tzinfo=UTC)
        moment = session.scalar(text("SELECT clock_timestamp()"))
        assert isinstance(moment, datetime)
        return moment.astimezone(UTC)

    def lock(self, session: Session, name: str) -> None:
        """Until the end of this writing transaction, no other that locks the same name goes on. On
        SQLite none does anyway."""
        if not self.is_sqlite:
            statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
            session.execute(statement, {"name": name})

    def ping(self) -> None:
        """Raises `sqlalchemy.exc.SQLAlchemyError` when the database does not answer."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def shrink(self) -> None:
        """Give the room of removed rows back to the disk; Postgres does it by itself.

        Raises:
            sqlite3.OperationalError: somebody else is writing for too long.
        """
        if not self.is_sqlite:
            return
        with closing(self.engine.raw_connection()) as connection:  # no transaction around it
            connection.cursor().execute("VACUUM")
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def count_free_bytes(self) -> int | None:
        """Room on the disk of the database's file; None: it is not a file of this machine."""
        file = self.engine.url.database
        if not self.is_sqlite or not file:
            return None
        return shutil.disk_usage(Path(file).parent).free

    def dispose(self) -> None:
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # the driver would otherwise begin transactions by itself, and too late
    connection.isolation_level = None
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
