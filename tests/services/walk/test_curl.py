"""The walk of the page on REST, line by line as it stands there.

A newcomer's shell walks it against a real service.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hyperadam.theta import Theta

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAGE = Path(__file__).resolve().parents[3] / "docs/rest.md"
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

But for the address, nothing else is different from what stands there.
"""


def lines_of_the_walk() -> list[str]:
    section = PAGE.read_text("utf-8").partition("\n## A walk with curl\n")[2]
    match = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert match is not None
    return match[1].splitlines()


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
