"""A home that version 0.1.0 made: one finished job, one version, and files that lay in a folder
which is not on this machine. It was made by that version's `up`; its checkpoints were left out."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from services.backup.making import back_up
from services.settings import Settings

ARCHIVE = Path(__file__).parents[1] / "assets" / "home-0.1.0.tar.xz"
SHA256 = "c3f5190fe7243e48f6c8f44671b3cb661fd841a786da03fe5275b9a4e5de99a1"
"""Of its only Θ."""


def make_settings(home: Path) -> Settings:
    return Settings(home=home, executor="process")


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (folder / "home" / "api-key").write_text("ha_once_secret")
    (folder / "home" / "artifacts" / ".half.partial").write_text("half")
    return folder / "home"


@pytest.fixture(scope="session")
def made(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it, to be read or copied."""
    folder = tmp_path_factory.mktemp("made") / "backup"
    back_up(make_settings(unpacked), folder)
    return folder
