"""The real application over a file that is larger than any Θ.

    python -m benchmarks.load.large N_BYTES HOME

What a registry stores are checked files of Θ, of at most half a MB. How fast the API sends larger
ones is asked of a registry that has one such file and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx2

from benchmarks.load.other_servers import serve, start_server
from registry import Version
from registry.memory import InMemoryRegistry
from services.app import create_app
from services.container import Container
from services.database.base import Database
from services.database.migrations import upgrade
from services.settings import Settings

PATH: Final = "/v1/optimizers/large/versions/1/weights"


class OneFile(InMemoryRegistry):
    """Version 1 of `large`: so many random bytes."""

    def __init__(self, n_bytes: int) -> None:
        super().__init__()
        self._data = os.urandom(n_bytes)

    def version(self, optimizer: str, ref: str) -> Version:
        return Version(
            optimizer=optimizer,
            number=1,
            sha256=hashlib.sha256(self._data).hexdigest(),
            size_bytes=len(self._data),
            created_at=datetime.now(UTC),
            run_id=None,
            manifest={},
        )

    def weights(self, optimizer: str, number: int) -> bytes:
        return self._data


@contextmanager
def large_file(n_bytes: int, home: Path) -> Iterator[httpx2.Client]:
    """A client of the application, which runs in a process of its own."""
    with start_server("benchmarks.load.large", str(n_bytes), str(home)) as [url, key]:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=url, headers=headers, timeout=60) as client:
            yield client


def main() -> None:
    """Print URL and key, and serve."""
    n_bytes = int(sys.argv[1])
    home = Path(sys.argv[2])
    settings = Settings(
        home=home, database_url=f"sqlite:///{home / 'large.db'}", requests_per_second=0
    )
    database = Database(settings.database_url)
    upgrade(database)

    services = Container(settings=settings, database=database, registry=OneFile(n_bytes))
    key = services.api_keys.create("load", ["read"]).key
    serve(create_app(services), key)


if __name__ == "__main__":
    main()
