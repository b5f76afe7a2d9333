"""The service in tests.

It has a migrated job store (SQLite; Postgres too, where tests may be slow), the in-memory registry,
the real application behind a test client, and a reconciler whose driver processes the test plays.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.engine import make_url

from registry.memory import InMemoryRegistry
from services.container import Container
from services.database.base import Database
from services.database.migrations import upgrade
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.application import share_application
from tests.services.support import PlayedExecutor, Stage


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty job store, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "jobs.db"
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    database.dispose()
    return file


@pytest.fixture(scope="session")
def migrated_postgres(request: pytest.FixtureRequest) -> str:
    """Name of a migrated, empty database, to be copied."""
    url: str = request.getfixturevalue("postgres").create_database()
    database = Database(url)
    upgrade(database)
    database.dispose()
    return make_url(url).database or ""


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A migrated job store in SQLite, of the test's own."""
    shutil.copy(migrated_sqlite, tmp_path / "jobs.db")
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated job store of the test's own.

    Where no database could make a difference, rooms and modules put `sqlite_url` in its place: a
    test on Postgres takes twice as long.
    """
    if request.param == "postgres":
        template: str = request.getfixturevalue("migrated_postgres")
        with request.getfixturevalue("postgres").lend(template) as url:
            yield url
    else:
        yield request.getfixturevalue("sqlite_url")


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        home=tmp_path, database_url=database_url, executor="process", heartbeat_seconds=0.3
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url)
    if database.is_sqlite:
        event.listen(database.engine, "connect", _leave_writing_to_the_system)
    yield database
    database.dispose()


def _leave_writing_to_the_system(connection: Any, _record: object) -> None:
    """No test cuts the power, and to wait for the disk is most of the time of a small one."""
    connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture
def registry() -> InMemoryRegistry:
    return InMemoryRegistry()


@pytest.fixture
def services(settings: Settings, database: Database, registry: InMemoryRegistry) -> Container:
    return Container(settings=settings, database=database, registry=registry)


@pytest.fixture
def client(services: Container) -> Iterator[TestClient]:
    """The real application, with a key that may do everything."""
    key = services.api_keys.create("tester", ["admin"]).key
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(share_application(services), headers=headers) as client:
        yield client


@pytest.fixture
def executor() -> PlayedExecutor:
    return PlayedExecutor()


@pytest.fixture
def reconciler(
    settings: Settings, database: Database, registry: InMemoryRegistry, executor: PlayedExecutor
) -> Reconciler:
    return Reconciler(settings, database, registry, executor)


@pytest.fixture
def stage(
    client: TestClient, registry: InMemoryRegistry, executor: PlayedExecutor, reconciler: Reconciler
) -> Stage:
    return Stage(client=client, registry=registry, executor=executor, reconciler=reconciler)
