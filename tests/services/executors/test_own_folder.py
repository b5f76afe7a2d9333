"""Whether processes can be run here is said before one is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.executors.contract import ExecutorUnavailable
from services.executors.process import ProcessExecutor


def test_a_check_makes_the_folder_for_this_user_alone(tmp_path: Path) -> None:
    ProcessExecutor(tmp_path / "processes").check()
    assert (tmp_path / "processes").stat().st_mode & 0o777 == 0o700


def test_a_check_says_which_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExecutorUnavailable, match=r"cannot use .*file/processes: Not a directory"):
        ProcessExecutor(tmp_path / "file" / "processes").check()
