"""The same with Postgres, by its own tools."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hyperadam.theta import Theta

from services.backup.errors import BackupError
from services.backup.making import back_up
from services.backup.restoring import restore
from services.database.facts import ForeignRegistry
from services.settings import Settings
from services.stores import open_stores
from tests.postgres import Postgres
from tests.registry.thetas import make_theta
from tests.services.backup.killing import count_moments, run_and_kill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def make_postgres_settings(postgres: Postgres, folder: Path) -> Settings:
    return Settings(
        home=folder / "home",
        executor="process",
        database_url=postgres.create_database(),
        tracking_uri=postgres.create_database(),
        artifact_location=str(folder / "files"),
    )


@dataclass(frozen=True)
class Made:
    """A service with one version, and a backup of it."""

    settings: Settings
    backup: Path
    theta: Theta


@pytest.fixture(scope="module")
def made(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("first")
    settings = make_postgres_settings(postgres, folder)
    database, registry = open_stores(settings)
    theta = make_theta()
    registry.create_version("hyperadam", theta, key="one")
    registry.close()
    database.dispose()
    back_up(settings, folder / "backup")
    return Made(settings, folder / "backup", theta)


def test_a_restored_service_has_the_same_and_files_of_its_own(
    made: Made, postgres: Postgres, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match="has tables"):
        restore(made.settings, made.backup)
    second = make_postgres_settings(postgres, tmp_path)
    restore(second, made.backup)
    database, registry = open_stores(second)
    with closing(registry):
        assert registry.weights("hyperadam", 1) == made.theta.to_bytes()
        registry.delete_version("hyperadam", 1, actor="me", reason="")
    database.dispose()
    assert not list((tmp_path / "files").glob("*/artifacts/theta/*"))
    [file] = Path(made.settings.artifact_location).glob("*/artifacts/theta/*")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == made.theta.sha256


def test_a_restore_that_was_cut_off_is_no_service(
    made: Made, postgres: Postgres, tmp_path: Path
) -> None:
    third = make_postgres_settings(postgres, tmp_path / "third")
    n_moments = count_moments(lambda: restore(third, made.backup), made.backup)
    fourth = make_postgres_settings(postgres, tmp_path / "fourth")
    run_and_kill(lambda: restore(fourth, made.backup), made.backup, n_moments)
    (tmp_path / "fourth" / "home" / "restoring").rename(tmp_path / "seen")
    with pytest.raises(ForeignRegistry):  # also a service with another home, which sees no marker
        open_stores(fourth)


def test_without_its_tools_it_is_said(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="needs pg_dump on the PATH"):
        back_up(made.settings, tmp_path / "other")
