"""kill -9 in the middle: a half backup is never taken for a whole one, nor a half home."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.backup.errors import BackupError
from services.backup.making import back_up
from services.backup.manifest import read_manifest
from services.backup.restoring import restore, verify
from services.embedded.home import UnusableHome, check_restored
from tests.services.backup.conftest import SHA256, make_settings
from tests.services.backup.killing import count_moments, run_and_kill


@pytest.mark.slow
def test_a_backup_that_was_cut_off_is_none(unpacked: Path, tmp_path: Path) -> None:
    settings = make_settings(unpacked)
    folder = tmp_path / "backup"
    n_moments = count_moments(lambda: back_up(settings, folder), folder)
    for moment in (1, 6, n_moments // 2, n_moments - 2, n_moments - 1):
        folder = tmp_path / f"backup-{moment}"
        run_and_kill(lambda to=folder: back_up(settings, to), folder, moment)
        with pytest.raises(BackupError, match="no whole backup"):
            restore(make_settings(tmp_path / "home"), folder)
        assert not (tmp_path / "home").exists()

    folder = tmp_path / "backup-in-time"
    run_and_kill(lambda: back_up(settings, folder), folder, n_moments)
    verify(folder, read_manifest(folder))


@pytest.mark.slow
def test_a_restore_that_was_cut_off_is_seen_and_carried_on(made: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    n_moments = count_moments(lambda: restore(make_settings(home), made), home)
    outcomes = {}
    for moment in (1, 4, 6, n_moments // 2, n_moments - 7, n_moments - 3, n_moments - 1, n_moments):
        home = tmp_path / f"home-{moment}"
        settings = make_settings(home)
        run_and_kill(lambda to=settings: restore(to, made), home, moment)
        outcomes[moment] = _look_at(home)
        if outcomes[moment] != "whole":
            restore(settings, made)
        [theta] = home.glob("artifacts/*/artifacts/theta/*")
        assert theta.stem == SHA256
        assert not list(home.rglob(".*.part"))
        assert _look_at(home) == "whole"
    found = list(outcomes.values())
    assert found == ["nothing"] * 2 + ["half"] * 5 + ["whole"], outcomes


def _look_at(home: Path) -> str:
    """What a service that starts there would find."""
    try:
        check_restored(home)
    except UnusableHome:
        return "half"
    return "whole" if (home / "mlflow.db").exists() else "nothing"


def test_a_home_that_is_half_another_backup_is_left_alone(made: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "restoring").write_text("of another")
    with pytest.raises(BackupError, match="half restored from another backup"):
        restore(make_settings(home), made)
    with pytest.raises(UnusableHome, match="repeat `hyperadam-server restore`"):
        check_restored(home)
