"""Where a job tells what happens to it."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)


class Recorder(ABC):
    """Takes metrics, events, checkpoints and files of a running job.

    docs/runs.md has the vocabulary.
    """

    @abstractmethod
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """One value for each of some series."""

    @abstractmethod
    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Something that a person who follows the job wants to see."""

    @abstractmethod
    def checkpoint(self, update: int, data: bytes) -> None:
        """A checkpoint to resume from."""

    @abstractmethod
    def artifact(self, path: str, data: bytes) -> None:
        """A file of the result."""

    def flush(self) -> None:
        """Make everything so far durable and visible."""


class LogRecorder(Recorder):
    """Events to the log, the rest nowhere: for scripts and tests."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        logger.debug("step %d: %s", step, dict(values))

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        logger.info("%s %s", kind, dict(data))

    def checkpoint(self, update: int, data: bytes) -> None:
        logger.debug("checkpoint at update %d, %d bytes", update, len(data))

    def artifact(self, path: str, data: bytes) -> None:
        logger.debug("artifact %s, %d bytes", path, len(data))


class PartRecorder(Recorder):
    """For work that is a part of a job: its events go to the job under the part's name, its metrics
    nowhere.

    Events `cell` become `promotion.cell` where the part is called `promotion`; files keep their
    paths.
    """

    def __init__(self, whole: Recorder, part: str) -> None:
        self._whole = whole
        self._part = part

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        logger.debug("%s, step %d: %s", self._part, step, dict(values))

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        self._whole.event(f"{self._part}.{kind}", data)

    def checkpoint(self, update: int, data: bytes) -> None:
        raise NotImplementedError(f"{self._part} leaves no checkpoints of its own")

    def artifact(self, path: str, data: bytes) -> None:
        self._whole.artifact(path, data)

    def flush(self) -> None:
        self._whole.flush()


def finite_or_none(value: float) -> float | None:
    """The value as JSON can say it."""
    return value if math.isfinite(value) else None
