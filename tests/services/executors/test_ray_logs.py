"""Logs that Ray leaves of every worker and job do not pile up."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from services.embedded.ray_logs import prune_logs


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system tells no open files")
def test_logs_of_processes_that_have_ended_are_removed(tmp_path: Path) -> None:
    logs = tmp_path / "session_1" / "logs"
    logs.mkdir(parents=True)
    ended = ["worker-1-2-3.out", "worker-1-2-3.err", "python-core-worker-1_3.log"]
    ended += ["job-driver-job_x-a1.log", "runtime_env_setup-02.log", "io-worker-1.out"]
    kept = ["raylet.out", "gcs_server.out", "dashboard.log", "worker-9-9-9.out", "worker-new.out"]
    for name in (*ended, *kept):
        (logs / name).write_text("x")
        if name != "worker-new.out":
            os.utime(logs / name, (time.time() - 4000, time.time() - 4000))
    with (logs / "worker-9-9-9.out").open("a"):
        assert prune_logs(tmp_path) == len(ended)
    assert sorted(path.name for path in logs.iterdir()) == sorted(kept)
