"""README's walk through REST, line by line as it stands there.

A newcomer's shell walks it against a real service.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hyperadam.theta import Theta

from services.executors.process import ProcessExecutor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

README = Path(__file__).resolve().parents[3] / "README.md"
PUBLISHED = "http://127.0.0.1:8400"
MARK = "--- next line ---"
SPEC = '{"preset": "quick"}'
SHORT = json.dumps(
    {
        "preset": "quick",
        "n_episodes": 1,
        "task": {"activations": ["sigmoid"]},
        "checkpoint_every_updates": 1,
    }
)
"""The same for a moment instead of a minute.

But for the address, nothing else is different from what stands in the README.
"""


def lines_of_the_walk() -> list[str]:
    section = README.read_text("utf-8").partition("The same over REST")[2]
    match = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert match is not None
    return match[1].splitlines()


@pytest.fixture
def newcomer(tmp_path: Path) -> dict[str, str]:
    """Their environment, with a home folder of their own.

    Their curl fails where it got an error status, which it does not do by default.
    """
    (tmp_path / ".curlrc").write_text("fail-with-body\nshow-error\n")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HYPERADAM_", "XDG_"))
    }
    environment["HOME"] = str(tmp_path)
    environment["HYPERADAM_EXECUTOR"] = "process"
    environment["OMP_NUM_THREADS"] = "1"
    return environment


@pytest.fixture
def url(newcomer: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Of `hyperadam-server up`, on a port that is free."""
    command = [sys.executable, "-m", "services.cli", "up", "--port", "0"]
    announcement = tmp_path / ".local/share/hyperadam/server.json"
    with (tmp_path / "up.log").open("w") as log:
        process = subprocess.Popen(command, env=newcomer, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 240
        while not announcement.exists():
            assert process.poll() is None, (tmp_path / "up.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        url = json.loads(announcement.read_text())["url"]
        while httpx2.get(f"{url}/readyz", timeout=60).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
        processes = announcement.parent / "processes"
        for driver in processes.iterdir() if processes.exists() else ():
            ProcessExecutor(processes).kill(driver.name)


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not installed"
)
def test_every_line_works(newcomer: dict[str, str], url: str, tmp_path: Path) -> None:
    lines = lines_of_the_walk()
    assert len([line for line in lines if "curl" in line]) >= 8
    assert any(PUBLISHED in line for line in lines)
    assert any(SPEC in line for line in lines)
    script = "\n".join(f"{line}\necho '{MARK}'" for line in lines)
    script = script.replace(PUBLISHED, url).replace(SPEC, SHORT)
    walk = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=newcomer,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert walk.returncode == 0, (walk.stdout[-3000:], walk.stderr)
    answers = dict(zip(lines, walk.stdout.split(MARK), strict=False))

    def answer(fragment: str) -> str:
        return next(text for line, text in answers.items() if fragment in line)

    assert json.loads(answer("/readyz"))["checks"]["database"] == "ok"
    assert "event: job.ended" in answer("/events")
    job = json.loads(answer("{state, progress, version}"))
    assert (job["state"], job["progress"]) == ("succeeded", 1)
    assert json.loads(answer("/metrics?name=meta_loss"))["value"] > 0
    version = json.loads(answer("versions/latest -H"))
    downloaded = Theta.load(tmp_path / "theta.safetensors")
    assert version["sha256"] == job["version"]["sha256"] == downloaded.sha256
    assert json.loads(answer("/aliases/champion")) == ["champion"]
