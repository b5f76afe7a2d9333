"""How the executor is, asked now and then; what changes is logged."""

from __future__ import annotations

import logging
import time
from typing import Final

from services.executors.contract import Executor, ExecutorUnavailable
from services.reconciler.lease import STARTING

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 2.0
"""Time between two looks at the executor."""
OK: Final = "ok"


class ExecutorHealth:
    """`text` is `ok`, or what is wrong."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._checked_at = float("-inf")
        self.text = STARTING

    @property
    def is_ok(self) -> bool:
        return self.text == OK

    def check(self) -> None:
        """Ask the executor, unless it was asked a moment ago."""
        if time.monotonic() - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        previous = self.text
        self.text = self._ask()
        if self.text == previous:
            return
        if self.text in (OK, STARTING):
            logger.info("the executor: %s", self.text)
        else:
            logger.warning("the executor cannot be used: %s", self.text)

    def _ask(self) -> str:
        try:
            self._executor.check()
        except ExecutorUnavailable as error:
            return str(error)
        return OK
