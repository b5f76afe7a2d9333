"""A second user of the machine, who plants links and other things where the service opens files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from services.embedded import ray_folder
from services.executors.process import ProcessExecutor
from services.own_files import make_own_folder, open_own

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be a second user")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "api-key"
    path.write_text("ha_admin")
    return path


def test_a_log_that_is_a_link_is_not_read(tmp_path: Path, secret: Path) -> None:
    folder = tmp_path / "processes"
    (folder / "job-a1").mkdir(parents=True)
    (folder / "job-a1" / "log").symlink_to(secret)
    assert ProcessExecutor(folder).log("job-a1") == b""


@pytest.mark.parametrize("mode", ["rb", "wb", "ab"])
@pytest.mark.parametrize("plant", ["link", "hard link", "pipe"])
def test_what_was_planted_is_not_opened(
    tmp_path: Path, secret: Path, plant: str, mode: str
) -> None:
    planted = tmp_path / "log"
    if plant == "link":
        planted.symlink_to(secret)
    elif plant == "hard link":
        planted.hardlink_to(secret)
    else:
        os.mkfifo(planted)
    with pytest.raises(PermissionError, match="link, another user's, or no plain file"):
        open_own(planted, mode)  # type: ignore[arg-type]
    assert secret.read_text() == "ha_admin"


@needs_root
@pytest.mark.parametrize("mode", ["rb", "wb", "ab"])
def test_a_file_of_another_user_is_not_opened(tmp_path: Path, mode: str) -> None:
    planted = tmp_path / "log"
    planted.write_text("theirs")
    os.chown(planted, NOBODY, NOBODY)
    with pytest.raises(PermissionError):
        open_own(planted, mode)  # type: ignore[arg-type]
    assert planted.read_text() == "theirs"


@needs_root
def test_a_folder_of_another_user_is_not_taken(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(PermissionError):
        make_own_folder(tmp_path)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with open_own(tmp_path / "log", "ab") as log:
        log.write(b"first")
    with open_own(tmp_path / "log", "wb") as log:
        log.write(b"new")
    assert (tmp_path / "log").read_bytes() == b"new"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_the_folder_of_ray_lies_in_a_private_one(tmp_path: Path) -> None:
    with ray_folder.make_ray_folder(tmp_path) as (folder, _):
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_folders_of_killed_clusters_are_removed_and_no_others(tmp_path: Path) -> None:
    left = tmp_path / "hyperadam-left"
    left.mkdir()
    (left / "lock").touch()
    link = tmp_path / "hyperadam-link"
    link.symlink_to(tmp_path)
    with ray_folder.make_ray_folder(tmp_path) as (held, _):
        long_ago = time.time() - 1000
        for folder in (left, held.parent):
            os.utime(folder, (long_ago, long_ago))
        ray_folder.remove_left_folders(tmp_path)
        assert held.is_dir()
    assert list(tmp_path.iterdir()) == [link]


def test_a_long_name_for_temporary_files_is_no_place_for_sockets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = tmp_path / ("t" * 78)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert ray_folder.choose_parent() == Path("/tmp")
