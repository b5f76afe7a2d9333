"""The page that a newcomer begins with, command by command, against a real service."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from hyperadam.theta import Theta

from tests.docs.blocks import list_blocks, list_commands
from tests.house.project import TOP

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SHORTER = (
    "--set n_episodes=1 --set 'task.activations=[\"sigmoid\"]' --set unroll.horizon=20 "
    "--set checkpoint_every_updates=1"
)
"""The same for a moment instead of a minute."""
SMALLER = "--horizon 10 --starts 2 --tuning-starts 1 --baseline adam"


def shorten(words: list[str]) -> str:
    command = shlex.join(words)
    if "--dry-run" in words:
        return command
    if "jobs submit" in command:
        return f"{command} {SHORTER}"
    return f"{command} {SMALLER}" if words[1] == "evaluate" else command


def test_every_command_of_the_first_page_works(
    newcomer: dict[str, str], url: str, tmp_path: Path
) -> None:
    page = TOP / "docs/start/meta-train.md"
    blocks = [block for block in list_blocks(page) if block.language == "console"]
    commands = [words for block in blocks for words in list_commands(block)]
    assert commands.pop(0) == ["hyperadam-server", "up"]  # which the fixture did
    assert len(commands) >= 8
    for words in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", shorten(words)],
            cwd=tmp_path,
            env=newcomer,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    assert (
        Theta.load(tmp_path / "champion.safetensors").sha256
        == Theta.load(tmp_path / "theta.safetensors").sha256
    )
