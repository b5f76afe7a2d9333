"""Kills and what became of the jobs.

No job may be lost or have two versions, and every Θ must be that of an undisturbed run.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from hyperadam import Theta

from meta_trainer.datasets import load
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.units import make_rule
from tests.chaos.accidents import list_accidents
from tests.chaos.service import N_NODES, SERVICES, Service

KILLS: Final = ("worker", "node", "driver", "service")
"""Of what, with kill -9."""
KINDS: Final = (*KILLS, *list_accidents())
"""Everything that a storm draws from."""
AT_ONCE: Final = 2
"""Jobs that are not over at any time.

While the driver of one comes up again, the other gets further.
"""
LONGEST_PAUSE_SECONDS: Final = 2.0
"""Between progress and the next kill, which so finds processes at any point of their work."""
PATIENCE_SECONDS: Final = 900.0
"""Time in which some job must get further, or a victim turn up; after it, something is stuck."""
SPEC: Final[dict[str, Any]] = {
    "register_as": "chaos",
    "init": "paper",
    "rule": {"n_candidates": 5},
    "task": {"hidden": [20], "batch_size": 32, "activations": ["sigmoid", "relu"]},
    "unroll": {"horizon": 36, "period": 12},
    "meta_optimizer": {"rate": 0.05, "warmup_updates": 2},
    "validation": {"every_episodes": 2, "n_learners": 1},
    "n_learners": 4,
    "chunk_size": 2,
    "n_episodes": 8,
    "checkpoint_every_updates": 2,
    "kernel": "fused",
    "max_attempts": 100,
    "backoff_seconds": 0.2,
}
"""The kernel is asked for: a first attempt would keep plain torch where there is no compiler, and
end in another Θ than the undisturbed job."""
SEEDS: Final = (1, 2, 3)
"""Jobs take these in turn."""


@dataclass
class Outcome:
    """What a storm did, and what was left after it."""

    n_asked: int
    kills: Counter[str] = field(default_factory=Counter)
    cut_short: str = ""
    """Why there were fewer kills than were asked for; empty: there were not."""
    trouble: str = ""
    """What was stuck; empty: nothing."""
    complaints: list[str] = field(default_factory=list)
    """What did not hold during an accident."""
    jobs: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    """By how they ended."""
    n_resumed: int = 0
    """Attempts that began at a checkpoint."""
    n_versions: int = 0
    n_equal: int = 0
    """Versions whose Θ equals that of an undisturbed run, bit for bit."""
    seconds: float = 0.0
    """Up to the last kill."""
    seconds_in_all: float = 0.0

    @property
    def n_kills(self) -> int:
        return self.kills.total()

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost, however few kills there were."""
        n = len(self.jobs)
        all_succeeded = self.states == {"succeeded": n}
        all_equal = self.n_versions == n == self.n_equal
        has_trouble = bool(self.trouble or self.complaints)
        return not has_trouble and all_succeeded and all_equal


class Stuck(Exception):
    """What had to happen did not, for a long time."""


def draw_kinds(chance: random.Random) -> Iterator[str]:
    """What happens next, for ever: kinds from shuffled decks, so that each comes up once before any
    comes up again, also in a storm that ends early."""
    while True:
        yield from chance.sample(KINDS, len(KINDS))


class Storm:
    """Kills processes of a service while it works.

    Args:
        seed: of the order of kills, of their moments and of their victims.
        tell: is given a line about each kill.
        enough: says why no more kills are wanted, as soon as that is so.
    """

    def __init__(
        self,
        service: Service,
        seed: int,
        tell: Callable[[str], None] = lambda line: None,
        enough: Callable[[], str] = lambda: "",
    ) -> None:
        self._service = service
        self._tell = tell
        self._enough = enough
        self._random = random.Random(seed)
        self._seeds = itertools.cycle(SEEDS)
        self._seed_by_job: dict[str, int] = {}
        self._ended: set[str] = set()
        self._began = time.monotonic()
        self.outcome = Outcome(0)

    def run(self, n_kills: int) -> Outcome:
        """Kill so often, then wait until all jobs have ended.

        Each kill comes after some job got further than before.
        """
        self._began = time.monotonic()
        self.outcome = Outcome(n_kills)
        try:
            self._kill_all(n_kills)
            self._wait_until(lambda: not self._list_unfinished())
        except Stuck as stuck:
            self.outcome.trouble = str(stuck)
        self._examine()
        self.outcome.seconds_in_all = self._seconds()
        return self.outcome

    def _kill_all(self, n_kills: int) -> None:
        kinds = itertools.islice(draw_kinds(self._random), n_kills)
        for number, kind in enumerate(kinds, start=1):
            victim = self._kill(kind) if self._wait_for_progress() else None
            if victim is None:
                self.outcome.cut_short = self._enough()
                break

            self.outcome.kills[kind] += 1
            self.outcome.seconds = self._seconds()
            self._tell(f"{number:3d}  {self.outcome.seconds:6.1f} s  {victim}")
            self._service.nodes.restore_one(N_NODES)

    # --- jobs -------------------------------------------------------------------------------------

    def _submit(self) -> Any:
        seed = next(self._seeds)
        job = self._service.client.jobs.submit("meta-training", {**SPEC, "seed": seed})
        self.outcome.jobs.append(job.id)
        self._seed_by_job[job.id] = seed
        return job

    def _list_unfinished(self) -> list[Any]:
        open_ids = [job_id for job_id in self.outcome.jobs if job_id not in self._ended]
        jobs = [self._service.client.jobs.get(job_id) for job_id in open_ids]
        self._ended |= {job.id for job in jobs if job.ended}
        return [job for job in jobs if not job.ended]

    def _fill_up(self) -> list[Any]:
        """The jobs that have not ended, after the submission of those that are missing."""
        unfinished = self._list_unfinished()
        return unfinished + [self._submit() for _ in range(AT_ONCE - len(unfinished))]

    def _measure_progress(self) -> float:
        """Jobs that have ended, and how far the others are."""
        unfinished = self._fill_up()
        n_ended = len(self.outcome.jobs) - len(unfinished)
        return n_ended + sum(job.progress or 0.0 for job in unfinished)

    def _wait_for_progress(self) -> bool:
        """Until some job got further, and a moment more; False if no more kills are wanted."""
        before = self._measure_progress()
        if not self._wait_until(lambda: self._measure_progress() > before, unless=self._enough):
            return False
        time.sleep(self._random.uniform(0, LONGEST_PAUSE_SECONDS))
        return not self._enough()

    # --- kills ------------------------------------------------------------------------------------

    def _kill(self, kind: str) -> str | None:
        """Kill a random process of this kind, or let an accident happen; says which, or None if no
        more are wanted."""
        if kind not in KILLS:
            return self._have_accident(kind)
        if kind == "service":
            name = self._random.choice(SERVICES)
            self._service.kill(name)
            return name
        if kind == "node":
            node = self._random.choice(self._service.nodes.numbers)
            self._service.nodes.kill(node)
            return f"node {node}"

        killed: list[int] = []

        def kill_process() -> bool:
            victims = self._find_workers() if kind == "worker" else self._find_drivers()
            if not victims:
                return False
            victim = self._random.choice(victims)
            with suppress(ProcessLookupError):  # it ended by itself just now
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)
            return bool(killed)

        if not self._wait_until(kill_process, unless=self._enough):
            return None
        return f"{kind}, process {killed[0]}"

    def _have_accident(self, kind: str) -> str:
        unfinished = self._fill_up()
        self._service.run_ids = {job.run_id for job in unfinished if job.run_id}
        event, complaints = list_accidents()[kind](self._service, self._random)
        self.outcome.complaints += complaints
        return "; ".join([event, *complaints])

    def _find_workers(self) -> list[int]:
        self._fill_up()
        nodes = self._service.nodes
        return [pid for number in nodes.numbers for pid in nodes.busy_workers(number)]

    def _find_drivers(self) -> list[int]:
        run_ids = {job.run_id for job in self._fill_up() if job.run_id}
        return self._service.find_drivers(run_ids)

    # --- afterwards -------------------------------------------------------------------------------

    def _examine(self) -> None:
        client = self._service.client
        jobs = [client.jobs.get(job_id) for job_id in self.outcome.jobs]
        for job in jobs:
            self.outcome.states[str(job.state)] += 1
            self._examine_attempts(job.id)

        if self.outcome.states["succeeded"]:
            versions = client.optimizers.versions(SPEC["register_as"])
            self.outcome.n_versions = len(list(versions))
        self._compare_thetas(jobs)

    def _examine_attempts(self, job_id: str) -> None:
        client = self._service.client
        for attempt in client.jobs.attempts(job_id):
            self.outcome.attempts[str(attempt.state)] += 1
        for event in client.jobs.events(job_id):
            if event.type == "started" and event.data["resumed_from"] is not None:
                self.outcome.n_resumed += 1

    def _compare_thetas(self, jobs: list[Any]) -> None:
        seeds = sorted(set(self._seed_by_job.values()))
        expected = {seed: train_undisturbed(seed) for seed in seeds}
        for job in jobs:
            if job.version is None:
                continue
            theta = self._service.client.optimizers.pull(str(job.version))
            expected_theta = expected[self._seed_by_job[job.id]]
            self.outcome.n_equal += theta.vector.equal(expected_theta.vector)

    def _wait_until(
        self, condition: Callable[[], bool], unless: Callable[[], str] = lambda: ""
    ) -> bool:
        """Wait for the condition; False if `unless` says why not to wait on."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if unless():
                return False
            if time.monotonic() > deadline:
                raise Stuck(
                    f"nothing got further for {PATIENCE_SECONDS:.0f} s "
                    f"after kill {self.outcome.n_kills}"
                )
            time.sleep(0.1)
        return True

    def _seconds(self) -> float:
        return time.monotonic() - self._began


def train_undisturbed(seed: int) -> Theta:
    """The Θ of the same job, trained in this process."""
    spec = MetaTrainingSpec.model_validate({**SPEC, "seed": seed})
    trained = MetaTraining(spec, load("mnist5k"), InProcessRunner(), LogRecorder()).run()
    return Theta.from_vector(make_rule(spec.rule), trained.theta, rate=spec.unroll.rate)
