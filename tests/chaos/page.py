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

The last result of `make chaos`: kill -9, at random, of workers, nodes, drivers and processes of the
service, while small meta-training jobs, two at a time, run on a Ray cluster of this machine. A kill
comes at a random moment after some job got further than at the kill before. What ends is started
again, as systemd or Kubernetes would; everything else goes on by itself.

| | |
|---|---|
| when, and with which random numbers | {when}, seed {seed} |
| kills | {kills} |
| of a | {kinds} |
| jobs | {jobs} |
| ended as | {states} |
| their attempts | {attempts}; {resumed} went on from a checkpoint |
| versions | {versions} |
| Θ equal to the undisturbed one, bit for bit | {equal} |
| time | {seconds:.0f} s for the kills, {seconds_in_all:.0f} s in all; \
{cores} cores, load {load:.1f} at the end |

**{verdict}**

The test `tests/chaos/test_chaos.py` does the same with five kills.
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
