"""Settings: embedded defaults below one home, production by environment, secrets from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.settings import Settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DATABASE_URL",
        "MLFLOW_TRACKING_URI",
        "RAY_ADDRESS",
        "HYPERADAM_HOME",
        "HYPERADAM_DATA_DIR",
    ):
        monkeypatch.delenv(name, raising=False)


def test_nothing_given_means_everything_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings()
    home = tmp_path / ".local" / "share" / "hyperadam"
    assert settings.home == home
    assert settings.database_url == f"sqlite:///{home}/jobs.db"
    assert settings.tracking_uri == f"sqlite:///{home}/mlflow.db"
    assert settings.artifact_location == str(home / "artifacts")
    assert (settings.executor, settings.runner, settings.ray_address) == ("ray", "ray", "")


def test_production_by_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://hyperadam@db/jobs")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    monkeypatch.setenv("RAY_ADDRESS", "http://head:8265")
    monkeypatch.setenv("HYPERADAM_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    settings = Settings()
    assert settings.database_url == "postgresql+psycopg://hyperadam:s3cret@db/jobs"
    assert (settings.tracking_uri, settings.artifact_location) == ("http://mlflow:5000", "")
    assert settings.ray_address == "http://head:8265"
    assert "s3cret" not in repr(settings.database_password)


def test_our_names_come_before_those_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////other.db")
    monkeypatch.setenv("HYPERADAM_DATABASE_URL", "sqlite:////ours.db")
    assert Settings().database_url == "sqlite:////ours.db"
    assert Settings(database_url="sqlite:////given.db").database_url == "sqlite:////given.db"
    (tmp_path / "url").write_text("sqlite:////from-file.db")
    monkeypatch.delenv("HYPERADAM_DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    assert Settings().database_url == "sqlite:////from-file.db"
    assert Settings(database_url="sqlite:////given.db").database_url == "sqlite:////given.db"


def test_empty_variables_count_as_not_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DATABASE_URL", "HYPERADAM_TRACKING_URI", "RAY_ADDRESS", "HYPERADAM_DATA_DIR"):
        monkeypatch.setenv(name, "")
    assert Settings(home=tmp_path) == Settings(
        home=tmp_path,
        database_url=f"sqlite:///{tmp_path}/jobs.db",
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
        artifact_location=str(tmp_path / "artifacts"),
        data_dir=str(tmp_path / "data"),
        cache_dir=str(tmp_path / "cache"),
    )


def test_password_of_a_url_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:mine@db/jobs"
    assert Settings(home=tmp_path, database_url=url, database_password="other").database_url == url  # type: ignore[arg-type]


def test_process_executor_runs_in_process(tmp_path: Path) -> None:
    assert Settings(home=tmp_path, executor="process").runner == "in-process"
    assert Settings(home=tmp_path, executor="process", runner="ray").runner == "ray"


def test_lease_outlasts_a_request_to_ray(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lease_seconds must be more than 10"):
        Settings(home=tmp_path, lease_seconds=10)
    assert Settings(home=tmp_path, lease_seconds=10.5).lease_seconds == 10.5
    assert Settings(home=tmp_path, lease_seconds=1, executor="process").lease_seconds == 1
