"""Which tests are to notice a fault in which room of the source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

TESTS: Final[dict[str, tuple[str, ...]]] = {
    "client/hyperadam/rules": ("client/tests/rules", "client/tests/optimizers"),
    "client/hyperadam/optimizers": ("client/tests/optimizers",),
    "client/hyperadam/rates.py": (
        "client/tests/test_rates.py",
        "client/tests/optimizers",
        "tests/meta_trainer/test_rates_in_specs.py",
    ),
    "client/hyperadam/theta.py": ("client/tests/test_theta.py", "client/tests/api"),
    "client/hyperadam/api": ("client/tests/api", "client/tests/cli", "tests/client"),
    "meta_trainer/estimators": (
        "tests/meta_trainer/estimators",
        "tests/meta_trainer/test_tbptt.py",
        "tests/meta_trainer/test_evolution.py",
        "tests/meta_trainer/training",
    ),
    "meta_trainer/unrolls": (
        "tests/meta_trainer/unrolls",
        "tests/meta_trainer/estimators",
        "tests/meta_trainer/training",
    ),
    "meta_trainer/training": ("tests/meta_trainer/training", "tests/meta_trainer/driver"),
    "meta_trainer/evaluation": ("tests/meta_trainer/evaluation", "tests/meta_trainer/driver"),
    "registry": ("tests/registry",),
    "services": ("tests/services",),
}


def find_nearest_tests(top: Path, path: str, tests: Sequence[str]) -> list[str]:
    """Of these files and folders of tests, the files that name the module at `path` or have its
    name; else the folder that mirrors its folder, if there is one."""
    module = PurePosixPath(path).with_suffix("")
    if module.is_relative_to("client"):
        module = module.relative_to("client")
    package = ".".join(module.parent.parts)
    naming = re.compile(
        rf"\b{re.escape(package)}\.{module.name}\b"
        rf"|from {re.escape(package)} import [^#\n]*\b{module.name}\b"
    )
    nearest = [
        file.relative_to(top).as_posix()
        for file in _list_test_files(top, tests)
        if file.stem == f"test_{module.name}" or naming.search(file.read_text())
    ]
    if nearest:
        return nearest
    mirror = _find_mirror(PurePosixPath(path).parent)
    return [mirror] if (top / mirror).is_dir() and mirror not in tests else []


def _list_test_files(top: Path, tests: Sequence[str]) -> list[Path]:
    files: list[Path] = []
    for name in tests:
        place = top / name
        files += [place] if place.is_file() else sorted(place.rglob("test_*.py"))
    return files


def _find_mirror(folder: PurePosixPath) -> str:
    if folder.is_relative_to("client/hyperadam"):
        folder = "client/tests" / folder.relative_to("client/hyperadam")
    else:
        folder = "tests" / folder
    return folder.as_posix()
