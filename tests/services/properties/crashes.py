"""Sudden death at a chosen point: parts of the service whose effects count down to it.

Each effect (a commit, a call of the executor, a write to the registry) has a point before and one
after it. A process dies at the n-th point by `Killed`, which nothing of the service catches: what
was committed stays, the rest is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from registry import RunStatus
from registry.memory import InMemoryRegistry
from services.database.base import Database
from tests.services.support import PlayedExecutor


class Killed(BaseException):
    """The process is no more."""


class Fuse:
    """Counts points down, while it is lit."""

    def __init__(self) -> None:
        self._left: int | None = None

    def point(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0:
            self._left = None
            raise Killed

    @contextmanager
    def around(self) -> Iterator[None]:
        """A point before and a point after an effect."""
        self.point()
        yield
        self.point()

    @contextmanager
    def lit(self, n_points: int | None) -> Iterator[list[bool]]:
        """Die at the n-th point within; None: never. Gives a list that has an element if it came to
        that."""
        died: list[bool] = []
        self._left = n_points
        try:
            yield died
        except Killed:
            died.append(True)
        finally:
            self._left = None


class MortalDatabase(Database):
    """A point before each commit, where the transaction is lost, and one after it."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self._fuse = fuse

    @contextmanager
    def write(self) -> Iterator[Session]:
        with super().write() as session:
            yield session
            self._fuse.point()
        self._fuse.point()


class MortalExecutor(PlayedExecutor):
    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def submit(self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        with self._fuse.around():
            super().submit(process_id, argv, environment)

    def stop(self, process_id: str) -> None:
        with self._fuse.around():
            super().stop(process_id)

    def kill(self, process_id: str) -> None:
        with self._fuse.around():
            super().kill(process_id)


class MortalRegistry(InMemoryRegistry):
    """Lives on when a process dies, as an MLflow server does."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def open_run(self, key: str, **more: Any) -> str:
        with self._fuse.around():
            return super().open_run(key, **more)

    def put_artifact(self, run_id: str, path: str, data: bytes) -> None:
        with self._fuse.around():
            super().put_artifact(run_id, path, data)

    def close_run(self, run_id: str, status: RunStatus) -> None:
        with self._fuse.around():
            super().close_run(run_id, status)

    def delete_run(self, run_id: str) -> None:
        with self._fuse.around():
            super().delete_run(run_id)
