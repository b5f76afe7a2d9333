"""Kills and what became of the jobs: none lost, none with two versions, every Θ that of an undisturbed run."""

from __future__ import annotations

import itertools
import math
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hyperadam import Theta

from meta_trainer.datasets import load
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training import MetaTraining
from meta_trainer.work import make_rule
from tests.chaos.service import N_NODES, SERVICES, Service

KINDS: Final = ("worker", "node", "driver", "service")
AT_ONCE: Final = 1
"""Jobs that are not over at any time."""
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
    "max_attempts": 100,
    "backoff_seconds": 0.2,
}
SEEDS: Final = (1, 2, 3)
"""Jobs take these in turn."""


@dataclass
class Outcome:
    """What a storm did, and what was left after it."""

    kills: Counter[str] = field(default_factory=Counter)
    jobs: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    n_attempts: int = 0
    n_versions: int = 0
    n_equal: int = 0
    """Versions whose Θ equals that of an undisturbed run, bit for bit."""
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        n = len(self.jobs)
        return self.states == {"succeeded": n} and self.n_versions == n == self.n_equal


class Storm:
    """Kills processes of a service while it works."""

    def __init__(self, service: Service, seed: int) -> None:
        self._service, self._random, self._seeds = service, random.Random(seed), itertools.cycle(SEEDS)
        self._seed_of: dict[str, int] = {}
        self.outcome = Outcome()

    def run(
        self, n_kills: int, tell: Callable[[str], None] = lambda line: None, limit_seconds: float = math.inf
    ) -> Outcome:
        """Kill so often, each time after some job got further than before; then wait until all jobs have ended.

        Args:
            tell: is given a line about each kill.
            limit_seconds: no kill comes later than that.
        """
        began = time.monotonic()
        kinds = list(itertools.islice(itertools.cycle(KINDS), n_kills))
        self._random.shuffle(kinds)
        for number, kind in enumerate(kinds, start=1):
            self._wait_for_progress()
            if time.monotonic() - began > limit_seconds:
                break
            what = self._kill(kind)
            self.outcome.kills[kind] += 1
            tell(f"{number:3d}  {time.monotonic() - began:6.1f} s  {what}")
            self._service.nodes.restore_one(N_NODES)
        self._until(lambda: not self._unfinished(), seconds=1200)
        self._examine()
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    # --- jobs ---------------------------------------------------------------------------------------------------

    def _submit(self) -> Any:
        seed = next(self._seeds)
        job = self._service.client.jobs.submit("meta-training", {**SPEC, "seed": seed})
        self.outcome.jobs.append(job.id)
        self._seed_of[job.id] = seed
        return job

    def _unfinished(self) -> list[Any]:
        jobs = [self._service.client.jobs.get(job) for job in self.outcome.jobs]
        return [job for job in jobs if not job.ended]

    def _at_work(self) -> list[Any]:
        """The jobs that are not over, after the submission of those that are missing."""
        unfinished = self._unfinished()
        return unfinished + [self._submit() for _ in range(AT_ONCE - len(unfinished))]

    def _progress(self) -> float:
        """Jobs that are over, and how far the others are."""
        at_work = self._at_work()
        return len(self.outcome.jobs) - len(at_work) + sum(job.progress or 0.0 for job in at_work)

    def _wait_for_progress(self) -> None:
        before = self._progress()
        self._until(lambda: self._progress() > before, seconds=600)

    # --- kills --------------------------------------------------------------------------------------------------

    def _kill(self, kind: str) -> str:
        """Kill a random process of this kind; says which."""
        if kind == "service":
            name = self._random.choice(SERVICES)
            self._service.kill(name)
            return name
        if kind == "node":
            node = self._random.choice(self._service.nodes.numbers)
            self._service.nodes.kill(node)
            return f"node {node}"
        victims: list[int] = []

        def look() -> bool:
            run_ids = {job.run_id for job in self._at_work() if job.run_id}
            victims[:] = self._workers() if kind == "worker" else self._service.drivers(run_ids)
            return bool(victims)

        self._until(look, seconds=600)
        victim = self._random.choice(victims)
        os.kill(victim, signal.SIGKILL)
        return f"{kind}, process {victim}"

    def _workers(self) -> list[int]:
        nodes = self._service.nodes
        return [pid for number in nodes.numbers for pid in nodes.busy_workers(number)]

    # --- afterwards ---------------------------------------------------------------------------------------------

    def _examine(self) -> None:
        client, outcome = self._service.client, self.outcome
        ended = [client.jobs.get(job) for job in outcome.jobs]
        outcome.states = Counter(str(job.state) for job in ended)
        outcome.n_attempts = sum(job.attempt for job in ended)
        outcome.n_versions = len(list(client.optimizers.versions(SPEC["register_as"])))
        expected = {seed: undisturbed(seed) for seed in sorted(set(self._seed_of.values()))}
        for job in ended:
            if job.version is not None:
                theta = client.optimizers.pull(str(job.version))
                outcome.n_equal += theta.vector.equal(expected[self._seed_of[job.id]].vector)

    def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {sum(self.outcome.kills.values())} kills something is stuck")
            time.sleep(0.1)


def undisturbed(seed: int) -> Theta:
    """The Θ of the same job, trained in this process."""
    spec = MetaTrainingSpec.model_validate({**SPEC, "seed": seed})
    trained = MetaTraining(spec, load("mnist5k"), InProcessRunner(), LogRecorder()).run()
    return Theta.from_vector(make_rule(spec.rule), trained.theta, lr=spec.unroll.lr)
