"""A storm on a service of its own, and its result as a page.

    python -m tests.chaos --kills 50 --page docs/chaos.md

An interrupt (or SIGTERM), or the end of the time given, ends the kills. The jobs still run to their
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

from tests.chaos.page import format_page
from tests.chaos.service import run_service
from tests.chaos.storm import Storm


class Enough:
    """Why no more kills are wanted: an interrupt, or the time is over."""

    def __init__(self, minutes: float) -> None:
        self._minutes = minutes
        self._deadline = time.monotonic() + 60 * minutes
        self._is_interrupted = False

    def listen(self) -> None:
        """Take signals: after `ray.init`, which puts handlers of its own there."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def __call__(self) -> str:
        if self._is_interrupted:
            return "an interrupt"
        if time.monotonic() > self._deadline:
            return f"its limit of {self._minutes:g} minutes"
        return ""

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._is_interrupted:
            raise KeyboardInterrupt
        self._is_interrupted = True
        name = signal.Signals(number).name
        line = f"{name}: no more kills; waiting for the jobs to end (once more: give up)\n"
        os.write(sys.stdout.fileno(), line.encode())  # `sys.stdout` has a lock, which may be held


def print_line(line: str) -> None:
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
    options = parser.parse_args()

    os.environ["OMP_NUM_THREADS"] = "1"
    logging.getLogger("ray").setLevel(logging.ERROR)  # it has much to say about nodes that end
    enough = Enough(options.minutes)
    with (
        tempfile.TemporaryDirectory(prefix="hyperadam-chaos-") as home,
        run_service(Path(home)) as service,
    ):
        enough.listen()
        outcome = Storm(service, options.seed, print_line, enough).run(options.kills)
        page = format_page(outcome, options.seed)
        print_line(page)
        if options.page is not None:
            options.page.write_text(page)

    is_whole = outcome.n_kills == outcome.n_asked
    return 0 if outcome.is_well and is_whole else 1


if __name__ == "__main__":
    if platform.system() != "Linux":
        sys.exit("processes are found in /proc: this needs Linux")
    sys.exit(main())
