"""A registry whose folder was moved or copied."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from registry import Registry, RegistryError, connect
from registry.mlflow_backend import connection
from tests.registry.stores import place_store

pytestmark = pytest.mark.slow


def open_registry(home: Path) -> Registry:
    return connect(f"sqlite:///{home}/mlflow.db", str(home / "artifacts"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    place_store(home / "mlflow.db")
    with closing(open_registry(home)) as registry:
        run = registry.open_run("job_1", name="")
        registry.put_artifact(run, "result.json", b"first")
    return home


def test_a_copy_leaves_the_original_alone(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    with closing(open_registry(copy)) as registry:
        run = registry.open_run("job_1", name="")
        assert registry.get_artifact(run, "result.json") == b"first"
        registry.put_artifact(run, "more", b"of the copy")
        registry.delete_run(run)
    with closing(open_registry(home)) as registry:
        assert registry.get_artifact(run, "result.json") == b"first"
        assert [file.path for file in registry.list_artifacts(run)] == ["result.json"]


def test_a_moved_one_has_its_files_and_no_old_place(home: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    home.rename(moved)
    with closing(open_registry(moved)) as registry:
        run = registry.open_run("job_1", name="")
        assert registry.get_artifact(run, "result.json") == b"first"
        registry.put_artifact(registry.open_run("job_2", name=""), "new", b"1")
    assert not home.exists()


def test_an_empty_copy_writes_beside_its_own_database(tmp_path: Path) -> None:
    open_registry(tmp_path / "home").close()
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    with closing(open_registry(tmp_path / "copy")) as copy:
        copy.put_artifact(copy.open_run("job_1", name=""), "new", b"1")
        with closing(open_registry(tmp_path / "home")) as original:
            assert copy.identity() == original.identity()
    assert list((tmp_path / "home" / "artifacts").iterdir()) == []


def test_two_registries_are_not_one(tmp_path: Path) -> None:
    with closing(open_registry(tmp_path / "a")) as a, closing(open_registry(tmp_path / "b")) as b:
        assert a.identity() != b.identity()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\0 cut off")
    with pytest.raises(RegistryError, match=r"mlflow\.db"):
        open_registry(tmp_path)


def test_a_first_start_that_is_cut_off_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_half(uri: str) -> None:
        with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
            database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        raise KeyboardInterrupt

    with monkeypatch.context() as kill:
        kill.setattr(connection, "open_migrated_client", make_half)
        with pytest.raises(KeyboardInterrupt):
            open_registry(tmp_path)
    assert not (tmp_path / "mlflow.db").exists()
    open_registry(tmp_path).close()


def test_a_first_start_that_was_cut_off_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".mlflow.db.part").write_bytes(b"half")
    (tmp_path / ".mlflow.db.part-wal").write_bytes(b"half")
    open_registry(tmp_path).close()
    left = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("."))
    assert left == []


def test_a_folder_of_files_that_is_gone_is_an_outage(home: Path) -> None:
    with closing(open_registry(home)) as registry:
        registry.check_files()
        (home / "artifacts").rename(home / "unmounted")
        with pytest.raises(RegistryError, match="files cannot be kept"):
            registry.check_files()
        (home / "unmounted").rename(home / "artifacts")
        registry.check_files()
