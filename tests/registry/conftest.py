"""Registries on SQLite and Postgres, each test's own; their tables were made before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.mlflow_backend import MLflowRegistry
from tests.postgres import Postgres
from tests.registry.stores import place_store


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return place_store(tmp_path / "registry.db")


@pytest.fixture
def open_sqlite(sqlite_path: Path) -> Iterator[Callable[[], MLflowRegistry]]:
    """Opens the test's own database, as often as one likes."""
    opened: list[MLflowRegistry] = []

    def open_one() -> MLflowRegistry:
        opened.append(MLflowRegistry(f"sqlite:///{sqlite_path}"))
        return opened[-1]

    yield open_one
    for registry in opened:
        registry.close()


@pytest.fixture
def sqlite_registry(open_sqlite: Callable[[], MLflowRegistry]) -> MLflowRegistry:
    return open_sqlite()


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """Name of a database with MLflow's tables, made by another process since none may be connected
    to a template."""
    url = postgres.create_database()
    code = (
        "import sys; from registry.mlflow_backend.connection import open_migrated_client; "
        "open_migrated_client(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True, timeout=300)
    return url.rpartition("/")[2]


@pytest.fixture
def postgres_registry(
    postgres: Postgres, postgres_template: str, tmp_path: Path
) -> Iterator[MLflowRegistry]:
    with postgres.lend(postgres_template) as url:
        registry = MLflowRegistry(url, str(tmp_path))
        yield registry
        registry.close()
