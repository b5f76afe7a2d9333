"""A real Postgres for a session, and databases of it for single tests.

To copy a database, Postgres writes all that it has to its files, first and afterwards: a second or
more for each test. So a copy that a test was lent is given the template's rows again, and is lent
to the next one under another name: whoever still has the old one finds nothing there.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString

if TYPE_CHECKING:
    import psycopg

WITHOUT_CARE: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
"""Settings of a server whose data nobody needs after the session, nor after a crash."""
MOST_GROWTH_BYTES: Final = 2**24
"""What a test may have added to a database that is lent again: rows that are gone still have their
room in it."""

LIST_TABLES: Final = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND pg_relation_size(oid) > 0"""
"""Those that have, or had, rows."""
LIST_SEQUENCES: Final = """
    SELECT sequencename, coalesce(last_value, start_value), last_value IS NOT NULL
    FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"""
DESCRIBE_SCHEMA: Final = """
    SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
        SELECT format('%s %s %s %s %s %s %s', relname, relkind, relacl, attname, attnum, atttypid,
                      attnotnull) AS line
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT conrelid || conname || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_temp%'
                                                     AND nspname NOT LIKE 'pg_toast%'
    ) AS lines"""
END_OTHERS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@dataclass(frozen=True)
class Copy:
    """A database as it was when it was new."""

    name: str
    rows: dict[str, bytes]
    """Table → what COPY writes of it."""
    sequences: list[tuple[Any, ...]]
    schema: str
    size_bytes: int


@dataclass(frozen=True)
class Postgres:
    """A server on loopback that trusts its one user."""

    port: int
    version: int
    """Its major one."""
    idle: dict[str, list[Copy]] = field(default_factory=dict)
    """Template → copies of it that nobody has."""

    @contextmanager
    def lend(self, template: str) -> Iterator[str]:
        """SQLAlchemy URL of a copy of a database, which is there as long as it is needed."""
        copies = self.idle.setdefault(template, [])
        copy = copies.pop() if copies else self._make_copy(template)
        name = _draw_name()
        self.execute(f'ALTER DATABASE "{copy.name}" RENAME TO "{name}"')
        copy = Copy(name, copy.rows, copy.sequences, copy.schema, copy.size_bytes)
        yield self._name_url(name)
        if self._make_new(copy):
            copies.append(copy)
        else:
            self.drop_database(self._name_url(name))

    def create_database(self, template: str = "template1") -> str:
        """SQLAlchemy URL of a new database, empty or a copy of another one.

        Its files are copied. From version 15 on, Postgres would write each page of them to its log.
        """
        name = _draw_name()
        copied = " STRATEGY FILE_COPY" if self.version >= 15 else ""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{copied}')
        return self._name_url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected: a thousand files each would keep the end of a
        session waiting."""
        self.execute(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        with self._connect("postgres") as connection:
            connection.execute(statement.encode())

    def _make_copy(self, template: str) -> Copy:
        name = self.create_database(template).rpartition("/")[2]
        with self._connect(name) as connection:
            tables = [row[0] for row in connection.execute(LIST_TABLES)]
            return Copy(
                name,
                {table: _read_rows(connection, table) for table in tables},
                connection.execute(LIST_SEQUENCES).fetchall(),
                _read_one(connection, DESCRIBE_SCHEMA),
                _read_one(connection, "SELECT pg_database_size(current_database())"),
            )

    def _make_new(self, copy: Copy) -> bool:
        """Give a copy its first rows again; False if it can never be what it was."""
        with self._connect(copy.name) as connection:
            connection.execute(END_OTHERS)
            size = _read_one(connection, "SELECT pg_database_size(current_database())")
            if size > copy.size_bytes + MOST_GROWTH_BYTES:
                return False
            if _read_one(connection, DESCRIBE_SCHEMA) != copy.schema:
                return False
            with connection.transaction():
                connection.execute("SET LOCAL session_replication_role = replica")
                for (table,) in connection.execute(LIST_TABLES).fetchall():
                    connection.execute(f'DELETE FROM "{table}"'.encode())
                for table, rows in copy.rows.items():
                    with connection.cursor().copy(f'COPY "{table}" FROM STDIN'.encode()) as into:
                        into.write(rows)
                for sequence, value, used in copy.sequences:
                    connection.execute("SELECT setval(%s, %s, %s)", (sequence, value, used))
        return True

    def _connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        return psycopg.connect(where, autocommit=True)

    def _name_url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"


def _draw_name() -> str:
    return f"test_{uuid.uuid4().hex[:12]}"


def _read_one(connection: psycopg.Connection[tuple[Any, ...]], query: LiteralString) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def _read_rows(connection: psycopg.Connection[tuple[Any, ...]], table: str) -> bytes:
    with connection.cursor().copy(f'COPY "{table}" TO STDOUT'.encode()) as parts:
        return b"".join(parts)


@contextmanager
def serve_postgres(binaries: Path, folder: Path) -> Iterator[Postgres]:
    """A server whose data are in a folder; it runs as another user where this one is root."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        prefix = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    port, data = _free_port(), folder / "data"
    told = subprocess.run([binaries / "postgres", "-V"], check=True, capture_output=True, text=True)
    version = int(re.findall(r"\d+", told.stdout)[0])

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(binaries / program), *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=60)

    run(
        "initdb",
        "-D",
        str(data),
        "-U",
        "postgres",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
    )
    options = " ".join(
        [
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}",
            *(f"-c {name}={value}" for name, value in WITHOUT_CARE.items()),
        ]
    )
    run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
    yield Postgres(port, version)
    run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


def find_binaries() -> Path | None:
    """Where the server's programs are, of the newest version."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return newest_first[0].parent if newest_first else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
