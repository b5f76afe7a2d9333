"""The driver's sign of life: a count in its run that grows while the process lives, whatever the
work does.

A process that is frozen (SIGSTOP, a hung machine) leaves it standing still, which a long step does
not: so the reconciler tells one from the other. A sign that cannot be kept is left out.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from registry import Registry

logger = logging.getLogger("meta_trainer.driver")

BEAT_SECONDS: Final = 15.0


def alive_path(attempt: int) -> str:
    """The artifact that holds the count."""
    return f"attempts/{attempt:04d}/alive.json"


@contextmanager
def beating(
    registry: Registry, run_id: str, attempt: int, seconds: float = BEAT_SECONDS
) -> Iterator[None]:
    """Give signs of life until the block ends."""
    ended = threading.Event()

    def beat() -> None:
        n_beats = 0
        while not ended.wait(seconds):
            n_beats += 1
            try:
                content = json.dumps({"beats": n_beats}).encode()
                registry.put_artifact(run_id, alive_path(attempt), content)
            except Exception as error:  # noqa: BLE001  # an outage is told where work notices it
                logger.warning("no sign of life could be left: %s", error)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
