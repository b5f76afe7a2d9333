"""`python -m tests.chaos --kills 50 --page docs/chaos.md`: a storm on a service of its own, its
result as a page.

An interrupt (or SIGTERM), or the end of the time given, ends the kills; the jobs still run to their
ends, and the page is written. A second interrupt ends everything at once, without a page.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tests.chaos.page import page
from tests.chaos.service import running_service
from tests.chaos.storm import Storm


class Enough:
    """Why no more kills are wanted: an interrupt, or the time is over."""

    def __init__(self, minutes: float) -> None:
        self._minutes, self._deadline, self._interrupted = (
            minutes,
            time.monotonic() + 60 * minutes,
            False,
        )

    def listen(self) -> None:
        """Take signals: after `ray.init`, which puts handlers of its own there."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def __call__(self) -> str:
        if self._interrupted:
            return "an interrupt"
        return (
            f"its limit of {self._minutes:g} minutes" if time.monotonic() > self._deadline else ""
        )

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        tell(
            f"{signal.Signals(number).name}: no more kills; waiting for the jobs to end (once more: give up)"
        )


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the order, the moments and the victims of kills"
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="no kill comes later than that"
    )
    parser.add_argument("--page", type=Path, help="where to write the result, as Markdown")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    logging.getLogger("ray").setLevel(logging.ERROR)  # it has much to say about nodes that end
    enough = Enough(given.minutes)
    with (
        tempfile.TemporaryDirectory(prefix="hyperadam-chaos-") as home,
        running_service(Path(home)) as service,
    ):
        enough.listen()
        outcome = Storm(service, given.seed, tell, enough).run(given.kills)
        text = page(outcome, given.seed)
        tell(text)
        if given.page is not None:
            given.page.write_text(text)
    return 0 if outcome.well and outcome.n_kills == outcome.n_asked else 1


if __name__ == "__main__":
    if platform.system() != "Linux":
        sys.exit("processes are found in /proc: this needs Linux")
    sys.exit(main())
