"""The plain runner: every call at once, in this process. For tests, laptops and reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from meta_trainer.runners.base import Handle, Runner


class InProcessRunner(Runner):
    """Handles are the values themselves."""

    _branch_size: int | None = None

    def __init__(self, *, branch_size: int | None = None) -> None:
        """
        Args:
            branch_size: calls that an agent hands out, where there are more of them; None: there
                are no agents, which gain nothing here.
        """
        self._branch_size = branch_size

    def find_branch_size(self, n_calls: int) -> int | None:
        size = self._branch_size
        if size is None:
            return None
        if n_calls <= size:
            return None
        return size

    def put(self, value: Any) -> Handle:
        return value

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        result = function(*arguments)
        if n_returns > 1:
            return result  # type: ignore[no-any-return]
        return (result,)

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        return list(handles)

    @property
    def n_workers(self) -> int:
        return 1
