"""What may lie in the repository: text, small, made by people, and true on every machine."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tests.house.project import TOP, list_tracked_files

LARGEST_FILE_BYTES = 600_000

GENERATED = re.compile(
    r"(^|/)(__pycache__|\.venv|dist|build|data|mlruns|mlartifacts|node_modules|[^/]+\.egg-info)/"
    r"|\.(pyc|pyo|pkl|pickle|pt|pth|ckpt|db|sqlite3?|gz|zip|whl|npz?|npy|parquet|log|deb|tgz)$"
    r"|-ubyte$"
)
OF_ONE_MACHINE = re.compile(
    r"(?<![\w.\-/])/(home|Users|root|work|mnt|opt)/[A-Za-z0-9_.-]+"
    r"|--(extra-)?index-url(?! https://download\.pytorch\.org/whl/cpu\b)|--find-links|--trusted-host"
)
MAY_NAME_MACHINES = {
    PurePosixPath("deploy/Dockerfile"),  # paths inside the image; its index is a build argument
    PurePosixPath("tests/house/test_tracked_files.py"),
}


def test_no_data_or_generated_files_are_tracked() -> None:
    """Data has licences of its own, and what can be made again is made again."""
    assert [str(path) for path in list_tracked_files() if GENERATED.search(str(path))] == []


def test_no_tracked_file_is_heavy() -> None:
    """Everybody who clones the project fetches every version of it."""
    sizes = {str(path): (TOP / path).stat().st_size for path in list_tracked_files()}
    assert [name for name, size in sizes.items() if size > LARGEST_FILE_BYTES] == []


def test_no_file_names_a_machine() -> None:
    """What stands in the project must be true on every machine: no home folders, no package hosts,
    no find-links. The one index that everybody has to name is torch's own, for its CPU builds."""
    names = []
    for path in list_tracked_files():
        if path in MAY_NAME_MACHINES:
            continue
        try:
            text = (TOP / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        names += [f"{path}: {match.group(0)}" for match in OF_ONE_MACHINE.finditer(text)]
    assert names == []
