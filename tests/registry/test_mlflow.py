"""The contract on SQLite, Postgres and an MLflow server, and what is MLflow's alone."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from registry import (
    ArtifactNotFound,
    OptimizerNotFound,
    RegistryError,
    VersionNotFound,
    connect,
)
from registry.mlflow_backend import MLflowRegistry
from registry.records import theta_path
from tests.registry.alias_contract import AliasContract
from tests.registry.contract import RegistryContract
from tests.registry.notes_contract import NotesContract
from tests.registry.points import point
from tests.registry.removal_contract import RemovalContract
from tests.registry.thetas import make_theta

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def registry(request: pytest.FixtureRequest) -> MLflowRegistry:
    opened: MLflowRegistry = request.getfixturevalue(f"{request.param}_registry")
    return opened


class TestMLflowRegistry(RegistryContract):
    pass


class TestMLflowAliases(AliasContract):
    pass


class TestMLflowNotes(NotesContract):
    pass


class TestMLflowRemovals(RemovalContract):
    pass


class TestStore:
    def test_nothing_of_a_deleted_run_is_left(
        self, open_sqlite: Callable[[], MLflowRegistry], sqlite_path: Path
    ) -> None:
        registry = open_sqlite()
        run = registry.open_run("job_1", name="", tags={"kind": "study"})
        registry.log_metrics(run, [point(step, 0.5) for step in range(3)])
        registry.put_artifact(run, "events/0001-000000.jsonl", b"{}")
        registry.delete_run(run)
        with closing(sqlite3.connect(sqlite_path)) as connection:
            for table in ("runs", "metrics", "latest_metrics", "tags"):
                query = f"SELECT count(*) FROM {table} WHERE run_uuid = ?"
                assert connection.execute(query, [run]).fetchone() == (0,), table
        assert [path for path in sqlite_path.parent.rglob("*") if run in str(path)] == []

    def test_sqlite_is_in_wal_mode_and_keeps_artifacts_beside_it(
        self, open_sqlite: Callable[[], MLflowRegistry], sqlite_path: Path
    ) -> None:
        registry = open_sqlite()
        run = registry.open_run("job_1", name="")
        registry.put_artifact(run, "a/b", b"data")
        with closing(sqlite3.connect(sqlite_path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert (
            sqlite_path.parent / "artifacts" / run / "artifacts" / "a" / "b"
        ).read_bytes() == b"data"

    def test_a_run_below_another_is_nested_for_mlflow(
        self, sqlite_registry: MLflowRegistry, sqlite_path: Path
    ) -> None:
        parent = sqlite_registry.open_run("job_1", name="study")
        child = sqlite_registry.open_run("job_1.t0", name="trial 0", parent_run_id=parent)
        assert (
            MlflowClient(f"sqlite:///{sqlite_path}").get_run(child).data.tags["mlflow.parentRunId"]
            == parent
        )

    def test_a_model_that_others_registered_is_no_optimizer(
        self, sqlite_registry: MLflowRegistry, sqlite_path: Path
    ) -> None:
        MlflowClient(f"sqlite:///{sqlite_path}").create_registered_model("theirs")
        with pytest.raises(OptimizerNotFound, match="theirs"):
            sqlite_registry.alias_history("theirs")

    def test_everything_is_there_for_another_process(
        self, open_sqlite: Callable[[], MLflowRegistry]
    ) -> None:
        first = open_sqlite()
        run = first.open_run("job_1", name="")
        first.create_version("mlp", make_theta(), key="job_1", run_id=run)
        first.set_alias("mlp", "champion", 1, actor="ann")
        second = open_sqlite()
        assert second.open_run("job_1", name="") == run
        assert (
            second.weights("mlp", second.version("mlp", "champion").number)
            == make_theta().to_bytes()
        )

    def test_the_place_of_artifacts_is_decided_once(
        self, sqlite_path: Path, tmp_path: Path
    ) -> None:
        uri = f"sqlite:///{sqlite_path}"
        first = connect(uri, str(tmp_path / "one"))
        run = first.open_run("job_1", name="")
        first.put_artifact(run, "a", b"1")
        assert connect(uri, str(tmp_path / "two")).get_artifact(run, "a") == b"1"
        assert not (tmp_path / "two").exists()

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "registry.db",
            "sqlite://",
            "sqlite:///:memory:",
            "mysql://x/y",
            "file:///tmp",
            "postgresql://h/d",
        ],
    )
    def test_other_uris_are_refused(self, uri: str) -> None:
        with pytest.raises(ValueError, match="tracking_uri"):
            connect(uri)

    def test_importing_the_room_does_not_import_mlflow(self) -> None:
        code = (
            "import sys, registry; registry.connect('memory://'); sys.exit('mlflow' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0

    def test_mlflow_neither_calls_home_nor_unpickles(self) -> None:
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"

    def test_changes_of_another_process_are_seen_at_once(
        self, open_sqlite: Callable[[], MLflowRegistry]
    ) -> None:
        first = open_sqlite()
        second = open_sqlite()
        first.create_version("mlp", make_theta(), key="k")
        assert second.version("mlp", "1").description == ""
        first.annotate("mlp", 1, description="changed", tags={"env": "prod"})
        assert second.version("mlp", "1") == first.version("mlp", "1") == first.versions("mlp")[0]

    def test_a_log_from_before_protection_is_read(
        self, open_sqlite: Callable[[], MLflowRegistry], sqlite_path: Path
    ) -> None:
        registry = open_sqlite()
        registry.create_version("mlp", make_theta(), key="k")
        old = {
            "alias": "champion",
            "version": 1,
            "actor": "ann",
            "reason": "",
            "time": "2026-01-02T03:04:05.678+00:00",
        }
        client = MlflowClient(f"sqlite:///{sqlite_path}", f"sqlite:///{sqlite_path}")
        client.set_registered_model_tag("mlp", "hyperadam.alias.00000001.0123abcd", json.dumps(old))
        assert [c.protected for c in registry.alias_history("mlp")] == [False]
        registry.set_alias("mlp", "champion", 1, actor="ann", protected=True)
        assert [c.protected for c in registry.alias_history("mlp")] == [False, True]


class TestArtifactFiles:
    def test_a_write_that_fails_leaves_the_old_file(
        self,
        open_sqlite: Callable[[], MLflowRegistry],
        sqlite_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        registry = open_sqlite()
        run = registry.open_run("job_1", name="")
        registry.put_artifact(run, "a/b", b"old")

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(RegistryError, match="'a/b' cannot be stored: No space left"):
            registry.put_artifact(run, "a/b", b"new")
        assert registry.get_artifact(run, "a/b") == b"old"
        folder = sqlite_path.parent / "artifacts" / run / "artifacts" / "a"
        assert [file.name for file in folder.iterdir()] == ["b"]

    def test_unfinished_files_are_invisible(
        self, open_sqlite: Callable[[], MLflowRegistry], sqlite_path: Path
    ) -> None:
        registry = open_sqlite()
        run = registry.open_run("job_1", name="")
        registry.put_artifact(run, "b", b"1")
        (sqlite_path.parent / "artifacts" / run / "artifacts" / ".x.partial").write_bytes(b"half")
        assert [a.path for a in registry.list_artifacts(run)] == ["b"]


class TestVersionFiles:
    @pytest.fixture
    def registry(self, sqlite_registry: MLflowRegistry) -> MLflowRegistry:
        return sqlite_registry

    @pytest.fixture
    def file(self, registry: MLflowRegistry, sqlite_path: Path) -> Path:
        run = registry.open_run("job_1", name="")
        version = registry.create_version("mlp", make_theta(), key="k", run_id=run)
        return sqlite_path.parent / "artifacts" / run / "artifacts" / theta_path(version.sha256)

    def test_a_damaged_file_is_found_out(self, registry: MLflowRegistry, file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        with pytest.raises(RegistryError, match="mlp@1 is damaged"):
            registry.weights("mlp", 1)

    def test_a_missing_file_is_found_out(self, registry: MLflowRegistry, file: Path) -> None:
        file.unlink()
        with pytest.raises(RegistryError, match="mlp@1 is missing") as caught:
            registry.weights("mlp", 1)
        assert not isinstance(caught.value, ArtifactNotFound)

    def test_what_was_verified_once_is_served_from_memory(
        self, registry: MLflowRegistry, file: Path
    ) -> None:
        data = registry.weights("mlp", 1)
        file.unlink()
        assert registry.weights("mlp", 1) == data

    def test_versions_made_behind_our_back_do_not_exist(
        self, registry: MLflowRegistry, file: Path, sqlite_path: Path
    ) -> None:
        client = MlflowClient(f"sqlite:///{sqlite_path}", f"sqlite:///{sqlite_path}")
        client.create_model_version("mlp", "file:///etc", await_creation_for=0)
        client.create_registered_model("other")
        client.create_model_version("other", "file:///etc", await_creation_for=0)
        assert registry.optimizers() == ["mlp"]
        assert [v.number for v in registry.versions("mlp")] == [1]
        assert registry.version("mlp", "latest").number == 1
        with pytest.raises(VersionNotFound):
            registry.weights("mlp", 2)

    def test_mlflow_shows_versions_and_aliases(
        self, registry: MLflowRegistry, file: Path, sqlite_path: Path
    ) -> None:
        registry.set_alias("mlp", "champion", 1, actor="ann")
        registry.set_alias("mlp", "with.dot", 1, actor="ann")
        client = MlflowClient(f"sqlite:///{sqlite_path}", f"sqlite:///{sqlite_path}")
        model = client.get_registered_model("mlp")
        assert {alias: int(number) for alias, number in model.aliases.items()} == {"champion": 1}
        shown = client.get_model_version_by_alias("mlp", "champion")
        assert shown.source == f"runs:/{shown.run_id}/theta"
        assert json.loads(shown.tags["hyperadam.manifest"]) == make_theta().manifest
