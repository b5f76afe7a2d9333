"""Children of the service get an environment that is built."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.embedded.ray_cluster import EmbeddedRay
from services.executors.contract import ENDED, ExecutorUnavailable
from services.executors.process import ProcessExecutor
from services.executors.surroundings import build_environment


def test_what_other_programs_set_does_not_go_on() -> None:
    inherited = {
        "PATH": "/bin",
        "RAY_AUTH_TOKEN": "theirs",
        "RAY_ADDRESS": "10.0.0.1:6379",
        "MLFLOW_TRACKING_URI": "http://theirs",
        "DATABASE_URL": "postgresql://theirs",
        "HYPERADAM_API_KEY": "ha_secret",
        "PYTHONSTARTUP": "/theirs.py",
        "TMPDIR": "/" + "t" * 77,
        "AWS_ACCESS_KEY_ID": "of the artifact store",
        "OMP_NUM_THREADS": "2",
        "http_proxy": "http://proxy:3128",
    }
    built = build_environment(inherited)
    kept = {"PATH", "AWS_ACCESS_KEY_ID", "OMP_NUM_THREADS", "http_proxy"}
    made = {"PYTHONPATH", "PYTHONSAFEPATH", "PYTHONUNBUFFERED", "NO_PROXY", "no_proxy"}
    assert built.keys() == kept | made
    assert built["no_proxy"].split(",") == ["127.0.0.1", "localhost", "::1"]


def test_relative_places_of_modules_become_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    built = build_environment({"PYTHONPATH": f"lib{os.pathsep}{os.pathsep}/srv/x"})
    assert built["PYTHONPATH"].split(os.pathsep)[:2] == [str(tmp_path / "lib"), "/srv/x"]


@pytest.mark.slow
def test_a_module_of_our_name_in_the_working_folder_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "services.py").write_text("raise SystemExit('theirs')")
    (tmp_path / "meta_trainer.py").write_text("raise SystemExit('theirs')")
    monkeypatch.chdir(tmp_path)
    executor = ProcessExecutor(tmp_path / "processes")
    command = [sys.executable, "-c", "import services.own_files, meta_trainer.seeds"]
    executor.submit("job-a1", command, {})
    deadline = time.monotonic() + 60
    while executor.status("job-a1") not in ENDED:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert executor.status("job-a1") == "succeeded", executor.log("job-a1")


def test_a_cluster_that_cannot_start_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail_to_start(self: EmbeddedRay, answer: int) -> subprocess.Popen[bytes]:
        (tmp_path / "ray.log").write_text("no room for sockets\n")
        return subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)

    monkeypatch.setattr(EmbeddedRay, "_start_holder", fail_to_start)
    ray = EmbeddedRay(tmp_path)
    ray.start()
    deadline = time.monotonic() + 30
    said = ""
    while "no room for sockets" not in said:
        assert time.monotonic() < deadline, said
        with pytest.raises(ExecutorUnavailable) as error:
            ray.address()
        said = str(error.value)
        time.sleep(0.02)
    ray.stop()
