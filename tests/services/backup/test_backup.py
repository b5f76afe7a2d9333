"""A backup, what is in it, and what comes of it; what is damaged or in the way is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from registry import RegistryError
from registry.mlflow_backend.relocation import read_holding
from services.backup.databases import change_database
from services.backup.errors import BackupError
from services.backup.making import back_up
from services.backup.manifest import MANIFEST_FILE, read_manifest
from services.backup.objects import find_object
from services.backup.restoring import restore
from services.cli import app
from services.stores import open_stores
from tests.services.backup.conftest import SHA256, make_settings


def hash_tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_what_is_restored_is_what_was_backed_up(made: Path, unpacked: Path, tmp_path: Path) -> None:
    before = hash_tree(unpacked)
    home = tmp_path / "home"
    manifest = restore(make_settings(home), made)
    [theta] = manifest.thetas
    assert (theta.optimizer, theta.number, theta.sha256) == ("hyperadam", 1, SHA256)
    restored = hash_tree(home / "artifacts")
    del before["artifacts/.half.partial"]
    assert restored == {
        path.removeprefix("artifacts/"): sha256
        for path, sha256 in before.items()
        if path.startswith("artifacts/")
    }
    assert restored[theta.path] == SHA256
    assert (home / "api-key").read_text() == "ha_once_secret"
    assert (home / "api-key").stat().st_mode & 0o777 == 0o600
    assert made.stat().st_mode & 0o777 == 0o700
    assert not (home / "restoring").exists()


def test_a_restored_registry_names_its_own_folder(made: Path, tmp_path: Path) -> None:
    """Not that of the original, which may still be there, and in use."""
    home = tmp_path / "home"
    restore(make_settings(home), made)
    with change_database(f"sqlite:///{home}/mlflow.db") as connection:
        holding = read_holding(connection)
        [uri] = connection.exec_driver_sql("SELECT artifact_uri FROM runs").scalars()
    assert holding.root == str(home / "artifacts")
    assert Path(uri).is_dir()
    assert (home / "artifacts") in Path(uri).parents


def test_equal_files_are_kept_once(unpacked: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(unpacked, home)
    for name in ("one", "two"):
        (home / "artifacts" / name).write_bytes(b"the same")
    manifest = back_up(make_settings(home), tmp_path / "backup")
    one = manifest.files["one"]
    assert manifest.files["two"] == one
    assert find_object(tmp_path / "backup", one.sha256).read_bytes() == b"the same"
    names = [path.name for path in (tmp_path / "backup" / "files").glob("*/*")]
    assert len(names) == len(set(names)) == len(manifest.files) - 1


def test_a_version_without_its_file_is_named(unpacked: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(unpacked, home)
    [theta] = (home / "artifacts").glob("*/artifacts/theta/*")
    theta.unlink()
    with pytest.raises(BackupError, match="hyperadam@1"):
        back_up(make_settings(home), tmp_path / "backup")
    with pytest.raises(BackupError, match="no whole backup"):
        read_manifest(tmp_path / "backup")


def forge(backup: Path, change: Callable[[str], str]) -> None:
    """Change a manifest, with a digest that fits."""
    path = backup / MANIFEST_FILE
    content = change(json.loads(path.read_text())["content"])
    digest = hashlib.sha256(content.encode()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, "content": content}))


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "half": (lambda it: (it / MANIFEST_FILE).unlink(), "no whole backup"),
    "manifest": (lambda it: flip_byte(it / MANIFEST_FILE), "manifest.json"),
    "jobs": (lambda it: flip_byte(it / "jobs.sqlite"), "jobs.sqlite was changed"),
    "registry": (lambda it: flip_byte(it / "registry.sqlite"), "registry.sqlite was changed"),
    "key": (lambda it: flip_byte(it / "api-key"), "api-key was changed"),
    "a file": (lambda it: flip_byte(find_object(it, SHA256)), f"{SHA256} was changed"),
    "no file": (lambda it: find_object(it, SHA256).unlink(), f"{SHA256} is gone"),
    "no Θ": (lambda it: forge(it, lambda text: text.replace("/theta/", "/o/", 1)), "no file of"),
    "a way out": (
        lambda it: forge(it, lambda text: text.replace('"files":{"', '"files":{"../')),
        "without hidden parts",
    ),
    "a newer schema": (
        lambda it: forge(it, lambda text: text.replace('revision":"0', 'revision":"9')),
        "newer version",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused_before_anything_is_put_in_place(
    made: Path, tmp_path: Path, damage: str
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(made, backup)
    action, message = DAMAGES[damage]
    action(backup)
    with pytest.raises(BackupError, match=message):
        restore(make_settings(tmp_path / "home"), backup)
    assert not (tmp_path / "home").exists()


def test_only_a_new_home_is_filled(made: Path, unpacked: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"jobs\.db is there already"):
        restore(make_settings(unpacked), made)
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes").write_text("mine")
    with pytest.raises(BackupError, match=r"not empty \(notes\)"):
        restore(make_settings(home), made)
    assert sorted(path.name for path in home.iterdir()) == ["lock", "notes"]


def test_a_backup_gets_a_folder_of_its_own(made: Path, unpacked: Path) -> None:
    with pytest.raises(BackupError, match="not empty"):
        back_up(make_settings(unpacked), made)


def test_commands_say_what_they_did_and_what_is_wrong(made: Path, tmp_path: Path) -> None:
    runner = CliRunner(env={"HYPERADAM_HOME": str(tmp_path / "home")})
    nothing = runner.invoke(app, ["backup", str(tmp_path / "backup")])
    assert nothing.exit_code == 1
    assert "there is no home" in nothing.stderr
    done = runner.invoke(app, ["restore", str(made)])
    assert done.exit_code == 0, done.output
    assert "1 version, 19 files" in done.stdout
    again = runner.invoke(app, ["restore", str(made)])
    assert again.exit_code == 1
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("setting", "url", "message"),
    [
        ("HYPERADAM_TRACKING_URI", "http://mlflow:5000", "MLflow server"),
        ("HYPERADAM_DATABASE_URL", "mysql://db/jobs", "SQLite or Postgres"),
    ],
)
def test_what_cannot_be_backed_up_from_here_is_said(
    tmp_path: Path, setting: str, url: str, message: str
) -> None:
    runner = CliRunner(env={"HYPERADAM_HOME": str(tmp_path), setting: url})
    (tmp_path / "jobs.db").touch()
    result = runner.invoke(app, ["backup", str(tmp_path / "backup")])
    assert result.exit_code == 1
    assert message in result.stderr


def test_a_version_whose_file_is_elsewhere_is_named(unpacked: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(unpacked, home)
    with change_database(f"sqlite:///{home}/mlflow.db") as connection:
        connection.exec_driver_sql("UPDATE experiments SET artifact_location = 's3://bucket/x'")
    with pytest.raises(RegistryError, match=r"hyperadam@1 is in .*not below s3://bucket/x"):
        back_up(make_settings(home), tmp_path / "backup")


@pytest.mark.slow
def test_a_backup_from_before_an_upgrade_is_the_way_back(
    made: Path, unpacked: Path, tmp_path: Path
) -> None:
    """The upgraded service has the old one's job and Θ; what the backup gives is as old as it was,
    for the old version to open."""
    first = make_settings(tmp_path / "first")
    restore(first, made)
    database, registry = open_stores(first)
    with closing(registry):
        assert registry.version("hyperadam", "1").sha256 == SHA256
        assert hashlib.sha256(registry.weights("hyperadam", 1)).hexdigest() == SHA256
    database.dispose()
    upgraded = back_up(first, tmp_path / "later")
    assert upgraded.schema_revision > "0003"
    second = make_settings(tmp_path / "second")
    back = restore(second, made)
    assert back.schema_revision == "0003"
    for name in ("jobs.db", "mlflow.db"):
        with change_database(f"sqlite:///{unpacked / name}") as connection:
            was = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        with change_database(f"sqlite:///{second.home / name}") as connection:
            query = "SELECT version_num FROM alembic_version"
            assert connection.exec_driver_sql(query).scalar() == was
