"""Accidents of operators: each is told in a sentence, and nothing is made in a wrong place."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from registry.memory import InMemoryRegistry
from services.cli import app
from services.container import Container
from services.database.base import Database
from services.embedded import banner
from services.embedded.home import Home, UnusableHome
from services.embedded.up import ensure_key
from services.settings import Settings, default_home


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "200"})


@pytest.fixture
def kept(migrated_sqlite: Path, tmp_path: Path) -> Path:
    """A home with a job store."""
    home = tmp_path / "kept"
    home.mkdir()
    shutil.copy(migrated_sqlite, home / "jobs.db")
    return home


def test_a_key_for_a_home_that_is_not_there_is_refused(runner: CliRunner, tmp_path: Path) -> None:
    typo = tmp_path / "typo"
    result = runner.invoke(app, ["keys", "create", "robot", "--home", str(typo)])
    assert result.exit_code == 1
    assert f"there is no home in {typo}" in result.stderr
    assert not typo.exists()


def test_a_named_home_does_not_obey_another_projects_database(
    runner: CliRunner, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////does/not/exist/jobs.db")
    result = runner.invoke(app, ["keys", "create", "robot", "--home", str(kept)])
    assert result.exit_code == 0, result.output


def test_a_file_for_a_home_is_told_in_a_sentence(runner: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = runner.invoke(app, ["up", "--home", str(file)])
    assert (result.exit_code, "is a file, not a folder" in result.stderr) == (1, True)
    result = runner.invoke(app, ["up", "--home", str(file / "below")])
    assert (result.exit_code, "cannot write into" in result.stderr) == (1, True)


def test_a_home_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(UnusableHome, match="every user of this machine"), Home(tmp_path).lock():
        pass


def test_a_newer_schema_is_told_in_a_sentence(runner: CliRunner, kept: Path) -> None:
    with closing(sqlite3.connect(kept / "jobs.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    result = runner.invoke(app, ["keys", "list", "--home", str(kept)])
    assert (result.exit_code, "a newer version of HyperAdam" in result.stderr) == (1, True)


@pytest.fixture
def embedded(database: Database, tmp_path: Path) -> Container:
    settings = Settings(home=tmp_path, executor="process")
    return Container(settings=settings, database=database, registry=InMemoryRegistry())


def test_the_first_admin_key_is_made_whatever_other_keys_there_are(
    embedded: Container, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    embedded.api_keys.create("robot", ["submit"])
    key = ensure_key(embedded, home)
    assert key == home.key_file.read_text()
    assert ensure_key(embedded, home) is None


def test_a_job_store_that_lost_its_keys_is_refused(embedded: Container, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.keep_key("ha_made_before")
    with pytest.raises(UnusableHome, match="it has lost what it held"):
        ensure_key(embedded, home)
    assert home.key_file.read_text() == "ha_made_before"


def test_a_home_that_commands_find_by_themselves_is_not_explained() -> None:
    said = StringIO()
    banner.greet(Console(file=said), "http://127.0.0.1:8400", Settings(home=default_home()))
    assert "HYPERADAM_HOME" not in said.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_banner_names_what_is_used_and_keeps_secrets(
    tmp_path: Path, *, is_terminal: bool
) -> None:
    said = StringIO()
    console = Console(file=said, force_terminal=is_terminal, color_system=None, width=300)
    database = "postgresql+psycopg://me:s3cret@db/jobs"
    settings = Settings(home=tmp_path, database_url=database, ray_address="http://head:8265")
    banner.greet(console, "http://[::1]:8400", settings)
    banner.show_key(console, tmp_path / "api-key", "ha_key")
    banner.show_ignored(console, ["DATABASE_URL", "MLFLOW_TRACKING_URI_FILE"])
    text = said.getvalue()
    for word in (
        "http://[::1]:8400",
        str(tmp_path / "mlflow.db"),
        "@db/jobs",
        "http://head:8265",
        f"export HYPERADAM_HOME={tmp_path}",
        "DATABASE_URL is set, but not used",
        "HYPERADAM_TRACKING_URI_FILE is what",
    ):
        assert word in text
    assert "s3cret" not in text
    assert ("ha_key" in text) is is_terminal
