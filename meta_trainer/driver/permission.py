"""A driver asks before it moves an alias whether its job may still do that.

The question is an artifact of the run, and so is the answer, which the service gives by the rights
of that moment (`services.reconciler.rights`). Without an answer the driver waits: no service is
there that could end the job either.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

from meta_trainer.training.result import Stopped
from registry import ArtifactNotFound, Registry

POLL_SECONDS: Final = 0.5


def question_path(attempt: int) -> str:
    return f"attempts/{attempt:04d}/may-promote.json"


def answer_path(attempt: int) -> str:
    return f"attempts/{attempt:04d}/promotion-right.json"


def ask_for_promotion(
    registry: Registry, run_id: str, attempt: int, should_stop: Callable[[], bool]
) -> str | None:
    """Why the job may not move its alias; None: it may.

    Raises:
        Stopped: as asked, before there was an answer.
    """
    registry.put_artifact(run_id, question_path(attempt), b"{}")
    while True:
        try:
            answer = json.loads(registry.get_artifact(run_id, answer_path(attempt)))
        except ArtifactNotFound:
            if should_stop():
                raise Stopped from None
            time.sleep(POLL_SECONDS)
        else:
            return None if answer["allowed"] else str(answer["why"])
