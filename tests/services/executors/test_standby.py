"""Drivers that are ready before their job is.

A small program plays them; processes and files are real.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meta_trainer.driver import standby_orders
from services.executors.contract import ENDED, Executor
from services.executors.process import ProcessExecutor
from services.executors.standby import StandbyExecutor
from tests.services.executors.contract import ExecutorContract

pytestmark = pytest.mark.slow

PLAYED = f"""#!{sys.executable}
import sys, time
from pathlib import Path
from meta_trainer.driver import standby_orders
if "meta_trainer.driver.standby" in sys.argv:
    folder = Path(sys.argv[-1])
    print("waits", flush=True)
    while (order := standby_orders.read_order(folder)) is None:
        time.sleep(0.01)
    if order == standby_orders.NOTHING:
        sys.exit(0)
    with Path({{runs!r}}).open("a") as runs:
        print("ready", order.run_id, order.attempt, file=runs)
else:
    with Path({{runs!r}}).open("a") as runs:
        print("cold", *sys.argv[-3::2], file=runs)
time.sleep({{seconds}})
"""


class TestStandbyExecutor(ExecutorContract):
    """Whatever is no driver goes to the executor behind it."""

    def make_executor(self, folder: Path) -> Executor:
        return _standby(folder, "no-such-python")


def _standby(folder: Path, python: str, most_running: int = 1) -> StandbyExecutor:
    inner = ProcessExecutor(folder / "processes")
    return StandbyExecutor(
        inner,
        folder / "standby",
        python=python,
        environment=lambda: {"A": "1"},
        most_running=most_running,
    )


class Play:
    """A service that may be started again, on one home."""

    def __init__(self, home: Path, seconds: float) -> None:
        self.home = home
        self._python = home / "python"
        self._python.write_text(PLAYED.format(runs=str(home / "runs"), seconds=seconds))
        self._python.chmod(0o700)
        self.executor = self.start()

    def start(self, most_running: int = 1) -> StandbyExecutor:
        self.executor = _standby(self.home, str(self._python), most_running)
        return self.executor

    def submit(self, process_id: str, **environment: str) -> None:
        options = ["--run-id", f"run-{process_id}", "--attempt", "3"]
        argv = [str(self._python), "-m", "meta_trainer.driver", *options]
        self.executor.submit(process_id, argv, environment or {"A": "1"})

    @property
    def runs(self) -> list[str]:
        file = self.home / "runs"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def waiting(self) -> list[str]:
        """Those that wait for an order."""
        executor = ProcessExecutor(self.home / "processes")
        names = []
        for folder in (self.home / "standby").glob("standby-*"):
            is_alive = executor.status(folder.name) not in ENDED
            if is_alive and not standby_orders.read_order(folder):
                names.append(folder.name)
        return names

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, (self.runs, self.waiting)
            time.sleep(0.02)

    def close(self) -> None:
        for folder in (self.home / "processes").glob("*"):
            ProcessExecutor(self.home / "processes").kill(folder.name)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    play = Play(tmp_path, seconds=60)
    yield play
    play.close()


def test_a_driver_that_is_ready_takes_the_next_job_and_answers_to_its_name(play: Play) -> None:
    play.executor.check()
    (name,) = play.waiting
    play.submit("job-a1")
    play.until(lambda: play.runs == ["ready run-job-a1 3"])
    assert play.executor.status("job-a1") == "running"
    assert b"waits" in play.executor.log("job-a1")
    play.executor.check()
    assert play.waiting == []  # one may run
    play.executor.kill("job-a1")
    play.until(lambda: play.executor.status("job-a1") == "failed")
    play.executor.check()
    assert len(play.waiting) == 1
    assert play.waiting != [name]


def test_an_order_survives_a_restart_and_is_not_given_twice(play: Play) -> None:
    play.executor.check()
    play.submit("job-a1")
    play.until(lambda: len(play.runs) == 1)
    play.start(most_running=2).check()
    assert len(play.waiting) == 1
    play.submit("job-a1")
    time.sleep(0.3)
    assert play.runs == ["ready run-job-a1 3"]
    assert len(play.waiting) == 1
    assert play.executor.status("job-a1") == "running"


def test_a_job_that_had_to_begin_cold_is_not_begun_again_by_one_that_is_ready(play: Play) -> None:
    play.submit("job-a1")
    play.until(lambda: play.runs == ["cold run-job-a1 3"])
    play.start(most_running=2).check()
    play.submit("job-a1")
    time.sleep(0.3)
    assert play.runs == ["cold run-job-a1 3"]
    assert len(play.waiting) == 1


def test_one_that_waited_before_a_restart_ends(play: Play) -> None:
    play.executor.check()
    (name,) = play.waiting
    play.start()
    inner = ProcessExecutor(play.home / "processes")
    play.until(lambda: inner.status(name) == "succeeded")


def test_a_dead_one_is_given_nothing(play: Play) -> None:
    play.executor.check()
    (name,) = play.waiting
    inner = ProcessExecutor(play.home / "processes")
    inner.kill(name)
    play.until(lambda: inner.status(name) in ENDED)
    play.submit("job-a1")
    play.until(lambda: play.runs == ["cold run-job-a1 3"])


def test_another_environment_is_served_cold(play: Play) -> None:
    play.executor.check()
    play.submit("job-a1", A="2")
    play.until(lambda: play.runs == ["cold run-job-a1 3"])
    assert len(play.waiting) == 1


def test_none_waits_after_retirement(play: Play) -> None:
    play.executor.check()
    (name,) = play.waiting
    play.executor.retire()
    inner = ProcessExecutor(play.home / "processes")
    play.until(lambda: inner.status(name) == "succeeded")
    play.executor.check()
    assert play.waiting == []
