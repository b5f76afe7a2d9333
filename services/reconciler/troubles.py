"""Failed steps of jobs: counted, logged, and tried again after pauses that double."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from registry import RegistryError
from services.executors.contract import ExecutorUnavailable

logger = logging.getLogger(__name__)

MAX_FAULTS: Final = 10
"""Failed tries in a row after which an attempt that was never submitted is given up (about two
minutes)."""
LONGEST_PAUSE_SECONDS: Final = 30.0


@dataclass
class Trouble:
    """Failed steps of one job in a row."""

    message: str = ""
    """Of the last one."""
    n_steps: int = 0
    n_faults: int = 0
    """Those that are neither the executor's nor the registry's: of these, every one is
    forgiven."""
    refusal: str = ""
    """What the executor said, or why it said nothing, if that was the last of them."""
    retry_at: float = 0.0
    """On the monotonic clock."""

    @property
    def is_new(self) -> bool:
        return self.n_steps == 1

    @property
    def is_hopeless(self) -> bool:
        return self.n_faults >= MAX_FAULTS

    def add(self, error: Exception) -> None:
        """One more step has failed."""
        refused = isinstance(error, ExecutorUnavailable)
        is_outage = refused or type(error) is RegistryError  # its subclasses are answers
        self.message = f"{type(error).__name__}: {error}"[:2000]
        self.n_steps += 1
        self.n_faults += not is_outage
        self.refusal = str(error) if refused else ""
        pause_seconds = min(LONGEST_PAUSE_SECONDS, 0.5 * 2**self.n_steps)
        self.retry_at = time.monotonic() + pause_seconds


class Troubles:
    """The jobs that are in trouble."""

    def __init__(self) -> None:
        self._by_job: dict[str, Trouble] = {}

    @property
    def refusal(self) -> str | None:
        """What the executor said to one of the jobs, if its last step failed by that."""
        refusals = (trouble.refusal for trouble in self._by_job.values() if trouble.refusal)
        return next(refusals, None)

    def must_wait(self, job_id: str) -> bool:
        """Whether it is too early for another try."""
        trouble = self._by_job.get(job_id)
        return trouble is not None and time.monotonic() < trouble.retry_at

    def add(self, job_id: str, error: Exception) -> Trouble:
        """Note that a step of the job has failed."""
        trouble = self._by_job.setdefault(job_id, Trouble())
        trouble.add(error)
        logger.warning(
            "trouble with %s, try %d: %s",
            job_id,
            trouble.n_steps,
            trouble.message,
            exc_info=None if isinstance(error, ExecutorUnavailable) else error,
        )
        return trouble

    def clear(self, job_id: str) -> None:
        """A step of the job went well."""
        self._by_job.pop(job_id, None)

    def keep_only(self, job_ids: Collection[str]) -> None:
        """Forget all other jobs: nothing of them runs."""
        self._by_job = {
            job_id: trouble for job_id, trouble in self._by_job.items() if job_id in job_ids
        }
