"""The files of the project, as the tests of the house read them."""

from __future__ import annotations

import ast
import functools
import subprocess
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]
ROOMS = ("client/hyperadam", "meta_trainer", "registry", "services")


def list_tracked_files() -> list[PurePosixPath]:
    """Every file of the project, new ones included, ignored ones not."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip("not a git checkout")
    names = answer.stdout.split("\0")
    return [PurePosixPath(name) for name in names if name and (TOP / name).is_file()]


@functools.cache
def list_sources(room: str) -> tuple[Path, ...]:
    """The Python files of a room, its tests not among them."""
    return tuple(sorted((TOP / room).rglob("*.py")))


def list_all_sources() -> list[Path]:
    return [path for room in ROOMS for path in list_sources(room)]


def name_file(path: Path) -> str:
    """Its path below the top of the project."""
    return path.relative_to(TOP).as_posix()


@functools.cache
def read_text(path: Path) -> str:
    return path.read_text("utf-8")


@functools.cache
def parse_source(path: Path) -> ast.Module:
    return ast.parse(read_text(path))


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(read_text(TOP / name))
