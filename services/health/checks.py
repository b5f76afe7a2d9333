"""What the service needs to do its work, each looked at in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from registry.contract import Registry
from services.database.base import Database
from services.reconciler import lease

OK: Final = "ok"
LIMIT_SECONDS: Final = 2.0
MAX_THREADS: Final = 8
"""A check that hangs keeps its thread; when all hang, further ones count as unanswered instead of
piling up."""

log = structlog.get_logger(__name__)


class Examiner:
    """Examines what one process of the service depends on."""

    def __init__(
        self, database: Database, registry: Registry, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        self._limit_seconds = limit_seconds
        self._limiter = CapacityLimiter(MAX_THREADS)
        self._checks: dict[tuple[str, ...], Callable[[], Mapping[str, str]]] = {
            ("database",): lambda: _passed("database", database.ping),
            ("registry",): lambda: _passed("registry", registry.optimizers),
            ("executor", "reconciler"): lambda: asdict(lease.status(database)),
        }
        """Parts → the check that tells of them."""

    async def examine(self) -> dict[str, str]:
        """Part → `ok`, or what is wrong with it; all checks at once."""
        found: dict[str, str] = {}

        async def one(parts: tuple[str, ...], check: Callable[[], Mapping[str, str]]) -> None:
            finding: Mapping[str, str] = dict.fromkeys(
                parts, f"no answer within {self._limit_seconds:g} s"
            )
            with anyio.move_on_after(self._limit_seconds):
                finding = await to_thread.run_sync(
                    _guarded, parts, check, abandon_on_cancel=True, limiter=self._limiter
                )
            found.update(finding)

        async with anyio.create_task_group() as group:
            for parts, check in self._checks.items():
                group.start_soon(one, parts, check)
        return {part: found[part] for parts in self._checks for part in parts}


def _guarded(parts: tuple[str, ...], check: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
    """The check's finding. Any exception at all is one: its kind is told to everybody, its text
    only to the log."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001
        log.warning("health.check_failed", parts=parts, error=repr(error))
        return dict.fromkeys(parts, f"failed with {type(error).__name__}")


def _passed(part: str, call: Callable[[], object]) -> Mapping[str, str]:
    call()
    return {part: OK}
