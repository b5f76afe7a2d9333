"""Fixtures for every room: seeded random numbers, the full datasets, a real Postgres.

What a machine lacks makes the tests that need it skip, and say why; nothing is replaced by a fake.
"""

from __future__ import annotations

import gc
import os
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch

from tests.postgres import Postgres, find_binaries, serve_postgres

os.environ.setdefault("RAY_worker_niceness", "0")
"""Ray starts workers with a niceness of 15: beside a busy neighbour they hardly ever run."""
os.environ.setdefault("RAY_idle_worker_killing_time_threshold_ms", "60000")
"""Nor are they ended after an idle second, to be started again at the next call."""
gc.set_threshold(50_000, 10, 10)
"""The usual 700 has a session spend a tenth of its time on looking for garbage."""


MARKS_OF_A_FILE: Final = re.compile(r"^pytestmark = (?:\[\n(?: .*\n)*\]|.*)$", re.MULTILINE)
MARKS: Final = {"slow and not alone": "slow", "slow and alone": "alone"}
"""What is asked for → the mark that its tests have."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that has no test of the part that is asked for is not imported: to import all of them,
    with Ray and MLflow, takes longer than most tests.

    Files that are asked for by name always are.
    """
    asked = {Path(argument.partition("::")[0]).name for argument in config.args}
    if not collection_path.match("test_*.py") or collection_path.name in asked:
        return None
    if config.option.markexpr == "not slow":
        marks = MARKS_OF_A_FILE.search(collection_path.read_text("utf-8"))
        return True if marks and "mark.slow" in marks[0] else None
    mark = MARKS.get(config.option.markexpr)
    if mark is None:
        return None
    # a fixture's parameters may be marked, too: above all the databases
    above = [folder / "conftest.py" for folder in collection_path.parents]
    within = [path for path in above if path.is_relative_to(config.rootpath) and path.exists()]
    texts = (path.read_text("utf-8") for path in [collection_path, *within])
    return None if any(f"pytest.mark.{mark}" in text for text in texts) else True


def pytest_collection_finish() -> None:
    """What was imported lives as long as the session: no need to look at it again."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _random_numbers() -> Iterator[None]:
    """Every test starts from the same global seeds and leaves none of its own behind.

    `torch.manual_seed` would do, but takes milliseconds to note who called it, for each kind of
    device that is not there.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(0)
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])  # noqa: NPY002
    torch.set_rng_state(before[2])


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the full datasets."""
    folder = os.environ.get("HYPERADAM_TEST_DATA")
    if not folder:
        pytest.skip("the full datasets are not here: run `make data`, or set HYPERADAM_TEST_DATA")
    if not (Path(folder) / "MNIST" / "raw").is_dir():
        pytest.fail(f"HYPERADAM_TEST_DATA is {folder}, which has no MNIST/raw")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real server for the session, started in about a second."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("the Postgres server is not installed")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("Postgres refuses to run as root, and runuser is not installed")
    with (
        # pytest closes its own folders to other users
        tempfile.TemporaryDirectory(prefix="postgres-") as folder,
        serve_postgres(binaries, Path(folder)) as server,
    ):
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """SQLAlchemy URL of a database of the test's own."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)
