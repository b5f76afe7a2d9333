"""Which tests are to notice a fault in which room of the source."""

from __future__ import annotations

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
    "meta_trainer/unrolls": ("tests/meta_trainer/unrolls", "tests/meta_trainer/training"),
    "meta_trainer/training": ("tests/meta_trainer/training", "tests/meta_trainer/driver"),
    "meta_trainer/evaluation": ("tests/meta_trainer/evaluation", "tests/meta_trainer/driver"),
    "registry": ("tests/registry",),
    "services": ("tests/services",),
}


def find_nearest_tests(top: Path, path: str) -> str | None:
    """The folder of tests that mirrors the folder of a source file, if there is one."""
    folder = PurePosixPath(path).parent
    if folder.is_relative_to("client/hyperadam"):
        mirror = "client/tests" / folder.relative_to("client/hyperadam")
    else:
        mirror = "tests" / folder
    return mirror.as_posix() if (top / mirror).is_dir() else None
