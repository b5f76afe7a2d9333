"""A database as a file, at one moment of it, while others go on to write into it.

SQLite by its online backup: in WAL mode it keeps no writer waiting. Postgres by `pg_dump` of an
exported snapshot, in which whoever makes the backup reads as well.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url

from services.backup.errors import BackupError
from services.backup.manifest import Kind, StoredDatabase, StoredFile
from services.backup.objects import copy_checked

_BUSY_SECONDS: Final = 60


def find_kind(url: str, setting: str) -> Kind:
    """
    Raises:
        BackupError: it is neither; `setting` says where the URL stands.
    """
    kinds: dict[str, Kind] = {"sqlite": "sqlite", "postgresql": "postgres"}
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in kinds:
        raise BackupError(
            f"{setting} is {scheme}://…, which cannot be backed up from here: set it to the "
            "database itself, SQLite or Postgres, that the MLflow server has"
        )
    return kinds[scheme]


def find_file(url: str) -> Path | None:
    """The file of a SQLite database; None for any other."""
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    return Path(parsed.database or "") if is_sqlite else None


@contextmanager
def dump_database(url: str, target: Path) -> Iterator[Connection]:
    """Write a database into a file; the connection sees exactly what was written.

    Raises:
        BackupError: it cannot be read, or a tool is missing.
    """
    file = find_file(url)
    if file is None:
        with _dump_postgres(url, target) as connection:
            yield connection
        return
    _copy_sqlite(file, target)
    with _connect(f"sqlite:///{target}") as connection:
        yield connection


def check_empty(url: str) -> None:
    """
    Raises:
        BackupError: there is a database already.
    """
    file = find_file(url)
    if file is not None:
        if file.exists():
            raise BackupError(f"{file} is there already: a backup is put into a new home only")
        return
    with _connect(url) as connection:
        if inspect(connection).get_table_names():
            name = make_url(url).database
            raise BackupError(
                f"the Postgres database {name} has tables: a backup is put into an empty one "
                f"(`dropdb {name} && createdb {name}`)"
            )


def load_database(source: Path, content: StoredFile, url: str) -> None:
    """Put a database back: whole or not at all."""
    file = find_file(url)
    if file is not None:
        copy_checked(source, content, file)
        return
    command = [_find_tool("pg_restore"), "--exit-on-error", "--single-transaction"]
    command += ["--no-owner", "--no-privileges", f"--dbname={_format_for_tools(url)}", str(source)]
    _run(command, url)


@contextmanager
def change_database(url: str) -> Iterator[Connection]:
    """A transaction."""
    with _connect(url) as connection, connection.begin():
        yield connection


def _copy_sqlite(file: Path, target: Path) -> None:
    if not file.exists():
        raise BackupError(f"{file} is not there")
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as source:
        source.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        with closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            [answer] = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        raise BackupError(f"{file} is damaged: {answer}")


@contextmanager
def _dump_postgres(url: str, target: Path) -> Iterator[Connection]:
    tool = _find_tool("pg_dump")
    with _connect(url) as connection:
        connection.execution_options(isolation_level="REPEATABLE READ")
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        command = [tool, "--format=custom", "--no-owner", "--no-privileges"]
        command += [f"--snapshot={snapshot}", f"--file={target}", _format_for_tools(url)]
        _run(command, url)
        yield connection


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _find_tool(name: str) -> str:
    tool = shutil.which(name)
    if tool is None:
        raise BackupError(
            f"a backup of Postgres needs {name} on the PATH, as new as the server or newer "
            "(Debian: postgresql-client)"
        )
    return tool


def _run(command: list[str], url: str) -> None:
    """The password goes by the environment: whoever lists processes sees their arguments."""
    password = make_url(url).password
    variables = dict(os.environ)
    if password:
        variables["PGPASSWORD"] = str(password)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise BackupError(f"{Path(command[0]).name}: {lines[0]}")


def _format_for_tools(url: str) -> str:
    parsed: URL = make_url(url).set(drivername="postgresql")
    bare = URL.create(
        "postgresql",
        username=parsed.username,
        host=parsed.host,
        port=parsed.port,
        database=parsed.database,
        query=parsed.query,
    )
    return bare.render_as_string()


def describe_database(name: str, kind: Kind, content: StoredFile) -> StoredDatabase:
    return StoredDatabase.model_validate({"name": name, "kind": kind, "content": content})
