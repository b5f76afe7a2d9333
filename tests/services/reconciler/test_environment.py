"""What drivers are told: everything but secrets."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from meta_trainer.driver.settings import DriverSettings
from registry.passwords import with_password, without_password
from services.reconciler.environment import driver_environment
from services.settings import Settings

BARE = "postgresql+psycopg://hyperadam@db:5432/mlflow"
PASSWORD = "p@ss:w/ö%rd"
WHOLE = with_password(BARE, PASSWORD)


def test_a_password_takes_leave_and_comes_back() -> None:
    assert PASSWORD not in WHOLE  # it is quoted
    assert without_password(WHOLE) == (BARE, PASSWORD)
    assert with_password(*without_password(WHOLE)) == WHOLE
    assert with_password(WHOLE, "other") == WHOLE
    for uri in (BARE, "sqlite:////tmp/a@b.db", "memory://", "http://mlflow:5000"):
        assert without_password(uri) == (uri, "")
    assert without_password("https://me:secret@mlflow/path") == ("https://me@mlflow/path", "secret")
    with pytest.raises(ValueError, match="needs a user"):
        with_password("postgresql+psycopg://db/mlflow", "x")


def test_drivers_find_the_password_in_a_file_that_only_the_service_can_read(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", tracking_uri=WHOLE, artifact_location="/artifacts")
    environment = driver_environment(settings)
    quoted = WHOLE.removeprefix("postgresql+psycopg://hyperadam:").partition("@")[0]
    assert not any(
        secret in value for secret in (PASSWORD, quoted) for value in environment.values()
    )
    file = Path(environment["HYPERADAM_TRACKING_PASSWORD_FILE"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text("utf-8") == PASSWORD
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert DriverSettings.from_environment(environment).tracking_uri == WHOLE
    changed = settings.model_copy(update={"tracking_uri": with_password(BARE, "new")})
    assert DriverSettings.from_environment(
        driver_environment(changed)
    ).tracking_uri == with_password(BARE, "new")


def test_drivers_elsewhere_have_a_file_of_their_own(tmp_path: Path) -> None:
    place = "/run/secrets/postgres_password"
    settings = Settings(home=tmp_path / "home", tracking_uri=WHOLE, driver_password_path=place)
    environment = driver_environment(settings)
    assert environment["HYPERADAM_TRACKING_URI"] == BARE
    assert environment["HYPERADAM_TRACKING_PASSWORD_FILE"] == place
    assert not settings.home.exists()


def test_a_password_file_that_is_missing_is_named() -> None:
    environment = {
        "HYPERADAM_TRACKING_URI": BARE,
        "HYPERADAM_TRACKING_PASSWORD_FILE": "/nowhere/password",
    }
    with pytest.raises(ValueError, match="HYPERADAM_TRACKING_PASSWORD_FILE"):
        DriverSettings.from_environment(environment)
