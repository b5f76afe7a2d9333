"""The chart's nightly command, whole: the real backup of a real home, and its way back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.backup.restoring import restore
from tests.deploy.charts import get_container, list_pods, render
from tests.services.backup.conftest import SHA256, make_settings

pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this machine")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_what_it_makes_is_put_back(unpacked: Path, tmp_path: Path) -> None:
    command = get_container(list_pods(render("production"))["backup"])["command"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HYPERADAM_")}
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HYPERADAM_HOME": str(unpacked),
        "BACKUPS": str(tmp_path / "backups"),
        "KEEP": "1",
    }
    older = tmp_path / "backups" / "2026-11-28T03-30-00Z"
    older.mkdir(parents=True)
    (older / "manifest.json").write_text("{}")
    done = subprocess.run(
        command, env=kept | own, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Removed {older}." in done.stdout
    [folder] = (tmp_path / "backups").iterdir()
    manifest = restore(make_settings(tmp_path / "home"), folder)
    assert [theta.sha256 for theta in manifest.thetas] == [SHA256]
