"""A study whose trials find no place: it makes room, says why, and is cancelled at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from meta_trainer.runners import NoRoom
from meta_trainer.studies.ledger import TrialState
from meta_trainer.studies.on_ray import messages, run
from meta_trainer.studies.on_ray.messages import NothingRuns, Proposals, Watcher
from registry.memory import InMemoryRegistry
from tests.meta_trainer.studies.conftest import make_conductor, tiny_study


class _Desk:
    def __init__(self) -> None:
        self.stop_trials = SimpleNamespace(remote=lambda: None)


def _describe(needs: str, seconds: float) -> str:
    return f"{needs}; none are free (for {seconds:.0f} s)"


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [0.0]
    monkeypatch.setattr(messages, "read_clock", lambda: clock[0])
    monkeypatch.setattr(messages, "describe_shortage", _describe)
    return clock


def test_trials_on_a_ray_of_its_own_are_as_urgent_as_the_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}
    played = SimpleNamespace(
        is_initialized=lambda: False,
        init=lambda **options: asked.update(options),
        shutdown=asked.clear,
    )
    monkeypatch.setattr(run, "ray", played)
    with run._connected():
        assert asked["address"] == "local"
        assert asked["_system_config"]["worker_niceness"] == 0
    assert not asked


def test_no_place_for_a_minute_is_told(seconds: list[float]) -> None:
    spec = tiny_study(resources={"cpus": 2, "custom": {"GPU": 1}})
    watcher = Watcher(make_conductor(spec, InMemoryRegistry()), _Desk(), lambda: False)
    trials: list[Any] = [SimpleNamespace(trial_id="a", status="PENDING")]
    watcher.on_step_begin(0, trials)
    seconds[0] = 61.0
    with pytest.raises(NoRoom, match="a trial needs 2 CPUs, 1 of 'GPU'; none are free"):
        watcher.on_step_begin(1, trials)
    trials[0].status = "RUNNING"
    watcher.on_step_begin(2, trials)
    trials[0].status = "PENDING"  # of a later trial: others had room, so it will have some
    watcher.on_step_begin(3, trials)


def test_a_trial_whose_process_starts_slowly_has_a_place(seconds: list[float]) -> None:
    watcher = Watcher(make_conductor(tiny_study(), InMemoryRegistry()), _Desk(), lambda: True)
    trials: list[Any] = [SimpleNamespace(trial_id="a", status="PENDING")]
    watcher.on_step_begin(0, trials)
    seconds[0] = 61.0
    watcher.on_step_begin(1, trials)


def test_what_has_no_place_is_not_waited_for_after_a_cancellation(seconds: list[float]) -> None:
    stop = [False]
    conductor = make_conductor(tiny_study(), InMemoryRegistry(), should_stop=lambda: stop[0])
    watcher = Watcher(conductor, _Desk(), lambda: False)
    Proposals(watcher).suggest("a")
    trials: list[Any] = [SimpleNamespace(trial_id="a", status="PENDING")]
    watcher.on_step_begin(0, trials)
    stop[0] = True
    with pytest.raises(NothingRuns):
        watcher.on_step_begin(1, trials)
    assert conductor.over
    assert conductor.ledger.trials[0].state is TrialState.RUNNING  # it goes on in a later attempt
