"""What several processes do at once in `test_processes.py`; importable by a spawned process."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier

from registry import connect
from tests.registry.thetas import make_theta

Outcome = tuple[set[str], list[int], int]


def race(uri: str, location: str, barrier: Barrier, index: int, rounds: int) -> Outcome:
    """Open the same run and create the same versions as everyone, create one's own, and fight for
    an alias.

    Returns:
        Run ids, the numbers of the shared versions in order, and the number of one's own.
    """
    barrier.wait(timeout=90)
    registry = connect(uri, location)
    barrier.wait(timeout=90)
    runs = {registry.open_run("shared", name="race") for _ in range(rounds)}
    shared = [
        registry.create_version("mlp", make_theta(i), key=f"shared-{i}").number
        for i in range(rounds)
    ]
    own = registry.create_version("mlp", make_theta(100 + index), key=f"own-{index}").number
    wanted = [
        own,
        *((index + turn) % rounds + 1 for turn in range(rounds)),
    ]  # one's own first: no other moves it there
    for number in wanted:
        registry.set_alias("mlp", "champion", number, actor=f"process-{index}")
    return runs, shared, own
