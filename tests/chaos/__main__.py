"""`python -m tests.chaos --kills 50 --page docs/chaos.md`: a storm on a service of its own, its result as a page."""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.chaos.service import running_service
from tests.chaos.storm import KINDS, Outcome, Storm

PAGE: Final = """# Chaos

The last result of `make chaos`: kill -9, at random, of workers, nodes, drivers and processes of the service, while
small meta-training jobs run on a Ray cluster of this machine. A kill comes after some job got further than at the kill
before. What ends is started again, as systemd or Kubernetes would; everything else goes on by itself.

| | |
|---|---|
| when, and with which random numbers | {when}, seed {seed} |
| kills | {kills} of {asked} in the time given: {kinds} |
| jobs | {jobs} |
| ended as | {states} |
| attempts in all | {attempts} |
| versions | {versions} |
| Θ equal to the undisturbed one, bit for bit | {equal} |
| time | {seconds:.0f} s on {cores} cores, load {load:.1f} at the end |

**{verdict}**

The test `tests/chaos/test_chaos.py` does the same with five kills.
"""

WELL: Final = "No job lost, no version twice, every Θ the undisturbed one."


def page(outcome: Outcome, asked: int, seed: int) -> str:
    """The result for people, in Markdown."""
    return PAGE.format(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        seed=seed,
        asked=asked,
        kills=sum(outcome.kills.values()),
        kinds=", ".join(f"{outcome.kills[kind]} {kind}" for kind in KINDS),
        jobs=len(outcome.jobs),
        states=", ".join(f"{n} {state}" for state, n in outcome.states.items()),
        attempts=outcome.n_attempts,
        versions=outcome.n_versions,
        equal=f"{outcome.n_equal} of {len(outcome.jobs)}",
        seconds=outcome.seconds,
        cores=os.cpu_count() or 0,
        load=os.getloadavg()[0],
        verdict=WELL if outcome.well else "Something was lost.",
    )


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the order of kills and of their victims")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no kill comes later than that")
    parser.add_argument("--page", type=Path, help="where to write the result, as Markdown")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="hyperadam-chaos-") as home, running_service(Path(home)) as service:
        outcome = Storm(service, given.seed).run(given.kills, tell, 60 * given.minutes)
    text = page(outcome, given.kills, given.seed)
    tell(text)
    if given.page is not None:
        given.page.write_text(text)
    return 0 if outcome.well else 1


if __name__ == "__main__":
    if platform.system() != "Linux":
        sys.exit("processes are found in /proc: this needs Linux")
    sys.exit(main())
