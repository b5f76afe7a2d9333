"""The result of a storm for people, in Markdown.

Also of a storm that was cut short, or in which something was lost.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from tests.chaos.storm import KINDS, Outcome

PAGE: Final = """# Chaos

The last result of `make chaos`: kills and accidents, at random, while small meta-training jobs, two
at a time, run on a Ray cluster of this machine. Each comes at a random moment after some job got
further than at the one before. What ends is started again, as systemd or Kubernetes would;
everything else goes on by itself.

| kind | what happens | what must hold besides |
|---|---|---|
| worker, node, driver, service | kill -9 of one | |
| store | the folder of artifacts is a file for 2 to 8 s | `/readyz` says so |
| clock | all of the service is killed, and starts with a clock that is wrong by up to a year, \
ahead or behind, or right again | |
| kernel | the compiled kernels are removed, cut short or overwritten, no compiler works for 4 to \
10 s, and a driver is killed | |
| wal | all of the service is killed and the job store's write-ahead log emptied; the log is put \
back afterwards | the service refuses to start without it |
| stranger | another user of the machine tries to read, to plant links and to kill | nothing of it \
succeeds |

| | |
|---|---|
| when, and with which random numbers | {when}, seed {seed} |
| kills and accidents | {kills} |
| of a kind | {kinds} |
| jobs | {jobs} |
| ended as | {states} |
| their attempts | {attempts}; {resumed} went on from a checkpoint |
| versions | {versions} |
| Θ equal to the undisturbed one, bit for bit | {equal} |
| what did not hold | {complaints} |
| time | {seconds:.0f} s for the kills, {seconds_in_all:.0f} s in all; \
{cores} cores, load {load:.1f} at the end |

**{verdict}**

The test `tests/chaos/test_chaos.py` does the same with one of each kind.
"""

WELL: Final = "No job lost, no version twice, every Θ the undisturbed one."
"""Only after as many kills as were asked for."""


def format_page(outcome: Outcome, seed: int) -> str:
    """What happened, as Markdown."""
    return PAGE.format(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        seed=seed,
        kills=count_kills(outcome),
        kinds=", ".join(f"{kind} {outcome.kills[kind]}" for kind in KINDS),
        jobs=len(outcome.jobs),
        states=format_counts(outcome.states),
        attempts=format_counts(outcome.attempts),
        resumed=outcome.n_resumed,
        versions=outcome.n_versions,
        complaints="; ".join(outcome.complaints) or "–",
        equal=f"{outcome.n_equal} of {len(outcome.jobs)}",
        seconds=outcome.seconds,
        seconds_in_all=outcome.seconds_in_all,
        cores=os.cpu_count() or 0,
        load=os.getloadavg()[0],
        verdict=judge(outcome),
    )


def count_kills(outcome: Outcome) -> str:
    """How many of those that were asked for, and why not all."""
    count = f"{outcome.n_kills} of {outcome.n_asked}"
    if outcome.cut_short:
        return f"{count}: cut short by {outcome.cut_short}"
    return count


def judge(outcome: Outcome) -> str:
    if outcome.trouble:
        return f"Something is stuck: {outcome.trouble}."
    if not outcome.is_well:
        return "Something was lost."
    n_missing = outcome.n_asked - outcome.n_kills
    if n_missing > 0:
        return f"{WELL} But {n_missing} of {outcome.n_asked} kills were not made."
    return WELL


def format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.most_common()) or "none"
