"""Fixtures for every room: seeded random numbers, the full datasets, a real Postgres.

What a machine lacks makes the tests that need it skip, and say why; nothing is replaced by a fake.
"""

from __future__ import annotations

import gc
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch

os.environ.setdefault("RAY_worker_niceness", "0")
"""Ray starts workers with a niceness of 15: beside a busy neighbour they hardly ever run."""
os.environ.setdefault("RAY_idle_worker_killing_time_threshold_ms", "60000")
"""Nor are they ended after an idle second, to be started again at the next call."""
gc.set_threshold(50_000, 10, 10)
"""The usual 700 has a session spend a tenth of its time on looking for garbage."""


MARKS_OF_A_FILE: Final = re.compile(r"^pytestmark = (?:\[\n(?: .*\n)*\]|.*)$", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that has no test of the part that is asked for is not imported: to import all of them,
    with Ray and MLflow, takes longer than most tests.

    Files that are asked for by name always are.
    """
    asked = {Path(argument.partition("::")[0]).name for argument in config.args}
    if not collection_path.match("test_*.py") or collection_path.name in asked:
        return None
    text = collection_path.read_text("utf-8")
    if config.option.markexpr == "not slow":
        marks = MARKS_OF_A_FILE.search(text)
        return True if marks and "pytest.mark.slow" in marks[0] else None
    if config.option.markexpr == "slow and alone":
        return None if "pytest.mark.alone" in text else True
    return None


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


WITHOUT_CARE: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
"""Settings of a server whose data nobody needs after the session, nor after a crash."""


@dataclass(frozen=True)
class Postgres:
    """A server on loopback that trusts its one user."""

    port: int
    version: int
    """Its major one."""

    def create_database(self, template: str = "template1") -> str:
        """SQLAlchemy URL of a new database, empty or a copy of another one.

        Its files are copied. From version 15 on, Postgres would write each page of them to its log.
        """
        name = f"test_{uuid.uuid4().hex[:12]}"
        copied = " STRATEGY FILE_COPY" if self.version >= 15 else ""
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{copied}')
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected: a thousand files each would keep the end of a
        session waiting."""
        self._execute(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        import psycopg

        admin = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real server for the session, started in about a second."""
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("the Postgres server is not installed")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("Postgres refuses to run as root, and runuser is not installed")
    with tempfile.TemporaryDirectory(
        prefix="postgres-"
    ) as folder:  # pytest closes its own folders to other users
        yield from _serve(binaries, Path(folder))


def _serve(binaries: Path, folder: Path) -> Iterator[Postgres]:
    prefix: list[str] = []
    if os.geteuid() == 0:
        prefix = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    port, data = _free_port(), folder / "data"
    told = subprocess.run([binaries / "postgres", "-V"], check=True, capture_output=True, text=True)
    version = int(re.findall(r"\d+", told.stdout)[0])

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(binaries / program), *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=60)

    run(
        "initdb",
        "-D",
        str(data),
        "-U",
        "postgres",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
    )
    options = " ".join(
        [
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}",
            *(f"-c {name}={value}" for name, value in WITHOUT_CARE.items()),
        ]
    )
    run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
    yield Postgres(port, version)
    run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """SQLAlchemy URL of a database of the test's own."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


def _postgres_binaries() -> Path | None:
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return newest_first[0].parent if newest_first else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
