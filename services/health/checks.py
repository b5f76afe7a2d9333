"""What the service needs to do its work, each looked at in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final, Literal

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from registry import Registry, RegistryError
from services.database.base import Database
from services.reconciler.lease import LeaseWatch

OK: Final = "ok"
LIMIT_SECONDS: Final = 2.0
MAX_THREADS: Final = 8
"""A check that hangs keeps its thread.

When all threads hang, further checks count as unanswered instead of piling up.
"""

LEAST_FREE_BYTES: Final = 2**20
"""With less room on the job store's disk, nothing is promised of a write."""

Whose = Literal["service", "process"]
"""Whose needs are looked at."""

Check = Callable[[], Mapping[str, str]]
"""Gives, of each part that it looks at, `ok` or what is wrong with it."""

log = structlog.get_logger(__name__)


class Examiner:
    """Examines what one process of the service depends on."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        lease: LeaseWatch,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self._limit_seconds = limit_seconds
        self._limiter = CapacityLimiter(MAX_THREADS)
        self._own_checks: dict[tuple[str, ...], Check] = {
            ("database",): lambda: _check_database(database),
            ("registry",): lambda: _check_registry(registry),
        }
        """Parts that this very process needs → the check that tells of them."""
        self._checks: dict[tuple[str, ...], Check] = {
            **self._own_checks,
            ("executor", "reconciler"): lambda: asdict(lease.look()),
        }

    async def examine(self, whose: Whose = "service") -> dict[str, str]:
        """Part → `ok`, or what is wrong with it; all checks at once.

        Args:
            whose: `process`: only what this process needs to answer requests.
        """
        checks = self._checks if whose == "service" else self._own_checks
        all_parts = [part for parts in checks for part in parts]
        findings = dict.fromkeys(all_parts, f"no answer within {self._limit_seconds:g} s")

        async def run_in_time(parts: tuple[str, ...], check: Check) -> None:
            with anyio.move_on_after(self._limit_seconds):
                findings.update(
                    await to_thread.run_sync(
                        _run_check, parts, check, abandon_on_cancel=True, limiter=self._limiter
                    )
                )

        async with anyio.create_task_group() as group:
            for parts, check in checks.items():
                group.start_soon(run_in_time, parts, check)
        return findings


def _run_check(parts: tuple[str, ...], check: Check) -> Mapping[str, str]:
    """The check's finding.

    Any exception at all is a finding: its kind is told to everybody, its text only to the log.
    """
    try:
        return check()
    except Exception as error:  # noqa: BLE001
        log.warning("health.check_failed", parts=parts, error=repr(error))
        return dict.fromkeys(parts, f"failed with {type(error).__name__}")


def _check_registry(registry: Registry) -> Mapping[str, str]:
    registry.optimizers()
    try:
        registry.check_files()
    except RegistryError as error:
        log.warning("health.no_room_for_files", error=str(error))
        return {"registry": "its files cannot be kept: the folder is gone, read-only or full"}
    return {"registry": OK}


def _check_database(database: Database) -> Mapping[str, str]:
    database.ping()
    n_free_bytes = database.count_free_bytes()
    if n_free_bytes is not None and n_free_bytes < LEAST_FREE_BYTES:
        return {"database": "nothing can be written: its disk is full"}
    return {"database": OK}
