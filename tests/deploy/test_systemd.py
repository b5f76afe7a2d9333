"""deploy/systemd: a unit that systemd takes, that starts what there is, and that is shut in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "deploy/systemd/hyperadam.service"
INSTALLED = "/usr/local/lib/hyperadam/bin"
MOST_EXPOSED = 20
"""In tenths: of 100 for a unit that nothing shuts in; from 50 on, systemd calls it exposed."""


def read(name: str) -> list[str]:
    """The values of a key, in order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with programs where they are here: systemd looks for them."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = UNIT.read_text("utf-8").replace(INSTALLED, str(Path(sys.executable).parent))
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace("/usr/bin/curl", shutil.which("true") or "/bin/true"))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_takes_it(unit: Path) -> None:
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_shut_in(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_it_starts_the_whole_service_and_waits_until_it_is_ready() -> None:
    from typer.main import get_command

    from services.cli import app

    [command] = read("ExecStart")
    program, name, *options = command.split()
    assert program == f"{INSTALLED}/hyperadam-server"
    up = getattr(get_command(app), "commands")[name]  # noqa: B009
    assert options[0] in {option for parameter in up.params for option in parameter.opts}
    [probe] = read("ExecStartPost")
    assert probe.endswith("http://127.0.0.1:8400/readyz")
    patience = re.search(r"--retry-max-time (\d+)", probe)
    assert patience is not None
    assert int(patience[1]) < int(read("TimeoutStartSec")[0])


def test_it_has_longer_to_stop_than_its_jobs() -> None:
    from services.settings import Settings

    grace = Settings.model_fields["cancel_grace_seconds"].default
    assert int(read("TimeoutStopSec")[0]) > 2 * grace
