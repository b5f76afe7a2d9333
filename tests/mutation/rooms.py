"""Which tests are to notice a fault in which room of the source; the nearest ones come first."""

from __future__ import annotations

from typing import Final

TESTS: Final[dict[str, tuple[str, ...]]] = {
    "client/hyperadam/rules": ("client/tests/rules", "client/tests/optimizers"),
    "client/hyperadam/optimizers": ("client/tests/optimizers",),
    "client/hyperadam/rates.py": ("client/tests/test_rates.py", "client/tests/optimizers"),
    "client/hyperadam/theta.py": ("client/tests/test_theta.py", "client/tests/api"),
    "client/hyperadam/api": ("client/tests/api", "client/tests/cli", "tests/client"),
    "meta_trainer/estimators": (
        "tests/meta_trainer/test_tbptt.py",
        "tests/meta_trainer/test_evolution.py",
        "tests/meta_trainer/training",
    ),
    "meta_trainer/unrolls": (
        "tests/meta_trainer/test_tbptt.py",
        "tests/meta_trainer/unrolls",
        "tests/meta_trainer/training",
    ),
    "meta_trainer/training": ("tests/meta_trainer/training", "tests/meta_trainer"),
    "meta_trainer/evaluation": ("tests/meta_trainer/evaluation", "tests/meta_trainer/driver"),
    "registry": ("tests/registry",),
    "services": ("tests/services",),
}
