"""The storm itself, over a service that is played.

Kinds have fair shares; a storm may end early; victims may be gone.
"""

from __future__ import annotations

import itertools
import random
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hyperadam import Theta

from tests.chaos import storm
from tests.chaos.storm import KILLS, KINDS, Storm, draw_kinds
from tests.registry.thetas import make_theta

THETA = make_theta(1)


class Played:
    """Stands for a `Service`.

    Jobs get further whenever they are looked at; processes sleep until they are killed.
    """

    def __init__(self, step: float = 0.3, theta: Theta = THETA) -> None:
        self.jobs: list[SimpleNamespace] = []
        self.step = step
        self.theta = theta
        self.victims: list[subprocess.Popen[bytes]] = []
        self.killed: list[str] = []
        self.gone_first = False
        self.run_ids: set[str] = set()
        self.accidents: list[str] = []
        self.complaints: list[str] = []
        self.nodes = SimpleNamespace(
            numbers=[0, 1],
            kill=lambda number: self.killed.append(f"node {number}"),
            restore_one=lambda n: None,
            busy_workers=lambda number: self._process() if number else [],
        )
        jobs = SimpleNamespace(
            submit=self._submit, get=self._get, attempts=self._attempts, events=self._events
        )
        optimizers = SimpleNamespace(versions=self._versions, pull=lambda _: self.theta)
        self.client = SimpleNamespace(jobs=jobs, optimizers=optimizers)

    def kill(self, name: str) -> None:
        self.killed.append(name)

    def find_drivers(self, run_ids: set[str]) -> list[int]:
        return self._process() if run_ids else []

    def have_accident(self, *_: Any) -> tuple[str, list[str]]:
        self.accidents.append("an accident")
        return "an accident", self.complaints

    def _process(self) -> list[int]:
        self.victims.append(subprocess.Popen(["sleep", "60"]))
        if self.gone_first and len(self.victims) == 1:
            self.victims[0].kill()
            self.victims[0].wait()
        return [self.victims[-1].pid]

    def _submit(self, kind: str, spec: dict[str, Any]) -> Any:
        number = len(self.jobs)
        job = SimpleNamespace(
            id=f"job_{number}", run_id=f"run_{number}", progress=0.0, ended=False, state="running"
        )
        self.jobs.append(job)
        return job

    def _get(self, job_id: str) -> Any:
        job = self.jobs[int(job_id.removeprefix("job_"))]
        job.progress = min(1.0, job.progress + self.step)
        job.ended = job.progress == 1.0
        job.state = "succeeded" if job.ended else "running"
        job.version = f"chaos@{job_id}" if job.ended else None
        return job

    def _attempts(self, job_id: str) -> list[Any]:
        return [SimpleNamespace(state="lost"), SimpleNamespace(state=self._get(job_id).state)]

    def _events(self, job_id: str) -> Iterator[Any]:
        for update in (None, 4):
            yield SimpleNamespace(type="started", data={"resumed_from": update})

    def _versions(self, name: str) -> list[Any]:
        return [job for job in self.jobs if job.ended]

    def close(self) -> None:
        for victim in self.victims:
            victim.kill()
            victim.wait()


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    monkeypatch.setattr(storm, "LONGEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(storm, "train_undisturbed", lambda seed: THETA)
    played = Played()
    accidents = dict.fromkeys(KINDS[len(KILLS) :], played.have_accident)
    monkeypatch.setattr(storm, "list_accidents", lambda: accidents)
    yield played
    played.close()


def test_every_kind_has_its_share_and_all_jobs_end(played: Played) -> None:
    lines: list[str] = []
    n_events = 2 * len(KINDS)
    outcome = Storm(played, 0, lines.append).run(n_events)  # type: ignore[arg-type]
    assert outcome.is_well
    assert outcome.kills == dict.fromkeys(KINDS, 2)
    assert len(lines) == n_events
    assert len(played.accidents) == n_events - 2 * len(KILLS)
    assert len(played.killed) == 4  # nodes and services; the others are processes
    assert sum(victim.wait(10) == -9 for victim in played.victims) >= 4
    assert outcome.attempts == {"lost": len(outcome.jobs), "succeeded": len(outcome.jobs)}
    assert outcome.n_resumed == len(outcome.jobs)


@pytest.mark.parametrize("seed", range(5))
def test_each_kind_comes_up_before_any_comes_up_again(seed: int) -> None:
    draw = draw_kinds(random.Random(seed))
    decks = [list(itertools.islice(draw, len(KINDS))) for _ in range(5)]
    assert [sorted(deck) for deck in decks] == [sorted(KINDS)] * 5
    assert len({tuple(deck) for deck in decks}) > 1
    assert len(KINDS) * 5 <= 50  # a storm of 50 has each of them at least five times


def test_victim_that_ended_by_itself_does_not_count(played: Played) -> None:
    played.gone_first = True
    outcome = Storm(played, 0).run(len(KINDS))  # type: ignore[arg-type]
    assert (outcome.n_kills, outcome.is_well) == (len(KINDS), True)


def test_interrupt_ends_the_kills_and_lets_the_jobs_end(played: Played) -> None:
    lines: list[str] = []
    enough = lambda: "an interrupt" if len(lines) == 3 else ""  # noqa: E731
    outcome = Storm(played, 0, lines.append, enough).run(50)  # type: ignore[arg-type]
    assert (outcome.n_kills, outcome.n_asked, outcome.cut_short) == (3, 50, "an interrupt")
    assert outcome.is_well


def test_what_is_stuck_is_told_with_what_there_is(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storm, "PATIENCE_SECONDS", 0.2)
    played.step = 0.0
    outcome = Storm(played, 0).run(2)  # type: ignore[arg-type]
    assert "nothing got further" in outcome.trouble
    assert (outcome.is_well, outcome.states) == (False, {"running": 2})


def test_a_complaint_is_not_called_well(played: Played) -> None:
    played.complaints = ["another user could /bin/ls home"]
    outcome = Storm(played, 0).run(len(KINDS))  # type: ignore[arg-type]
    assert outcome.complaints == played.complaints * len(played.accidents)
    assert not outcome.is_well


def test_another_theta_is_found(played: Played) -> None:
    played.theta = make_theta(2)
    outcome = Storm(played, 0).run(1)  # type: ignore[arg-type]
    assert (outcome.n_equal, outcome.is_well) == (0, False)
