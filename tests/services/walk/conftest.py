"""A newcomer's shell, and a service that it finds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.up import serve_home


@pytest.fixture(scope="package")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Their environment, with a home folder of their own.

    Their curl fails where it got an error status, which it does not do by default.
    """
    home = tmp_path_factory.mktemp("newcomer")
    (home / ".curlrc").write_text("fail-with-body\nshow-error\n")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HYPERADAM_", "XDG_"))
    }
    environment["HOME"] = str(home)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["HYPERADAM_EXECUTOR"] = "process"
    environment["OMP_NUM_THREADS"] = "1"
    return environment


@pytest.fixture(scope="package")
def url(newcomer: dict[str, str]) -> Iterator[str]:
    """Of `hyperadam-server up`, on a port that is free."""
    home = Path(newcomer["HOME"])
    announced = home / ".local/share/hyperadam"
    with serve_home(announced, newcomer, home / "up.log") as url:
        yield url
