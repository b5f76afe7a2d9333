"""Whether processes can be run here is said before one is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.executors import supervisor
from services.executors.contract import ExecutorUnavailable
from services.executors.process import ProcessExecutor


def test_a_check_makes_the_folder_for_this_user_alone(tmp_path: Path) -> None:
    ProcessExecutor(tmp_path / "processes").check()
    assert (tmp_path / "processes").stat().st_mode & 0o777 == 0o700


def test_a_check_says_which_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExecutorUnavailable, match=r"cannot use .*file/processes: Not a directory"):
        ProcessExecutor(tmp_path / "file" / "processes").check()


def test_what_a_process_left_behind_says_how_it_ended(tmp_path: Path) -> None:
    executor = ProcessExecutor(tmp_path)
    folder = tmp_path / "job_1-a1"
    folder.mkdir()
    assert executor.status("job_1-a1") == "unknown"
    (folder / supervisor.GROUP).write_text("1")
    assert executor.status("job_1-a1") == "failed"  # killed: nothing holds its lock
    (folder / supervisor.EXIT).write_text("0")
    assert executor.status("job_1-a1") == "succeeded"
    (folder / supervisor.EXIT).write_text("1")
    assert executor.status("job_1-a1") == "failed"
