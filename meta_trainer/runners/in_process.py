"""The plain runner: every call at once, in this process. For tests, laptops and reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from meta_trainer.runners.base import Handle, Runner


class InProcessRunner(Runner):
    """Handles are the values themselves."""

    def put(self, value: Any) -> Handle:
        return value

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        result = function(*arguments)
        return result if n_returns > 1 else (result,)

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        return list(handles)

    @property
    def n_workers(self) -> int:
        return 1
