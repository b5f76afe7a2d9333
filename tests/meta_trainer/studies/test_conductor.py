"""The life of a study: limits, changes while it runs, pauses and crashes; the ledger is all that
must survive."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from meta_trainer.studies.conductor import Conductor
from meta_trainer.studies.control import Control
from meta_trainer.studies.ledger import Ledger, TrialState
from registry import Registry, connect
from tests.meta_trainer.conftest import MemoryRecorder
from tests.meta_trainer.studies.conftest import (
    JOB,
    make_conductor,
    run_here,
    start_trial,
    tiny_study,
)


@pytest.fixture
def registry() -> Registry:
    return connect("memory://")


@pytest.fixture(autouse=True)
def looks_are_always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meta_trainer.studies.limits.LOOK_SECONDS", 0.0)


def ask(registry: Registry, conductor: Conductor, **words: Any) -> None:
    Control(**words).save(registry, registry.open_run(JOB, name="study"))
    conductor.look()


@pytest.mark.slow
def test_a_study_goes_on_after_a_crash_as_if_nothing_had_been(registry: Registry) -> None:
    spec = tiny_study(limits={"trials": 4})
    whole = run_here(make_conductor(spec, registry), registry)

    other = connect("memory://")
    first = make_conductor(spec, other)
    trial = first.begin_trial()
    assert trial is not None
    running = start_trial(spec, trial, other)
    first.note_progress(0, running.advance(), trial.values, "here")  # and the process is gone
    ledger = run_here(make_conductor(spec, other), other)
    assert [t.values for t in ledger.trials] == [t.values for t in whole.trials]
    assert [[r.validation_loss for r in t.reports] for t in ledger.trials] == [
        [r.validation_loss for r in t.reports] for t in whole.trials
    ]


def test_parallel_trials_are_bounded_and_can_be_changed(registry: Registry) -> None:
    conductor = make_conductor(tiny_study(limits={"trials": 9, "parallel_trials": 2}), registry)
    assert conductor.begin_trial() is not None
    assert conductor.begin_trial() is not None
    assert conductor.begin_trial() is None
    ask(registry, conductor, parallel_trials=3)
    assert conductor.begin_trial() is not None
    assert conductor.begin_trial() is None
    assert not conductor.over


def test_more_trials_can_be_asked_for_at_the_end(registry: Registry) -> None:
    conductor = make_conductor(tiny_study(limits={"trials": 1, "parallel_trials": 2}), registry)
    assert conductor.begin_trial() is not None
    assert conductor.begin_trial() is None
    ask(registry, conductor, trials=2)
    second = conductor.begin_trial()
    assert second is not None
    assert second.number == 1


def test_a_gentle_stop_lets_trials_finish_and_begins_none(registry: Registry) -> None:
    recorder = MemoryRecorder()
    conductor = make_conductor(tiny_study(limits={"trials": 9}), registry, recorder=recorder)
    trial = conductor.begin_trial()
    assert trial is not None
    ask(registry, conductor, stopping=True)
    assert (
        "study.changed",
        {"trials": 9, "parallel_trials": 2, "stopping": True},
    ) in recorder.events
    assert conductor.begin_trial() is None
    assert not conductor.interrupting
    running = start_trial(conductor.spec, trial, registry, lambda: conductor.interrupting)
    while not (progress := running.advance()).finished:
        conductor.note_progress(0, progress, trial.values, "here")
    conductor.note_progress(0, progress, trial.values, "here")
    conductor.note_end(0)
    assert conductor.over
    assert conductor.complete
    assert [t.state for t in conductor.ledger.trials] == [TrialState.COMPLETED]


def test_a_pause_interrupts_and_the_next_attempt_goes_on(registry: Registry) -> None:
    spec = tiny_study(limits={"trials": 2})
    pausing = [False]
    conductor = make_conductor(spec, registry, should_stop=lambda: pausing[0])
    trial = conductor.begin_trial()
    assert trial is not None
    pausing[0] = True
    progress = start_trial(spec, trial, registry, lambda: conductor.interrupting).advance()
    assert progress.report is None
    conductor.note_end(0)
    assert conductor.over
    assert not conductor.complete
    assert conductor.ledger.trials[0].state is TrialState.RUNNING
    ledger = run_here(make_conductor(spec, registry), registry)
    assert [t.state for t in ledger.trials] == [TrialState.COMPLETED] * 2


def test_out_of_time_trials_are_stopped_and_count(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(
        "meta_trainer.training.stopwatch.time", SimpleNamespace(monotonic=lambda: now[0])
    )
    conductor = make_conductor(tiny_study(limits={"trials": 50, "wall_seconds": 60}), registry)

    def pass_time(number: int, update: int) -> bool:
        now[0] += 20  # between a trial's first report and its second, which is its last
        return True

    ledger = run_here(conductor, registry, pass_time)
    assert [len(trial.reports) for trial in ledger.trials] == [2, 2, 1]
    assert [trial.state for trial in ledger.trials] == [TrialState.COMPLETED] * 2 + [
        TrialState.STOPPED
    ]
    assert conductor.out_of_time
    assert not conductor.complete
    assert conductor.ledger.seconds == 60


def test_too_many_failures_end_the_study(registry: Registry) -> None:
    conductor = make_conductor(tiny_study(limits={"trials": 9, "failed_trials": 1}), registry)
    for number in (0, 1):
        assert conductor.begin_trial() is not None
        conductor.note_end(number, error="ValueError: no")
    assert conductor.failing
    assert conductor.begin_trial() is None
    assert conductor.over
    assert conductor.ledger.trials[0].error == "ValueError: no"


def test_trials_are_runs_below_the_studys(registry: Registry) -> None:
    recorder = MemoryRecorder()
    ledger = run_here(make_conductor(tiny_study(), registry, recorder=recorder), registry)
    assert len({trial.run_id for trial in ledger.trials}) == 3
    for trial in ledger.trials:
        assert registry.open_run(f"{JOB}.t{trial.number:05d}", name="") == trial.run_id
        assert [p.step for p in registry.metrics(trial.run_id or "", "meta_loss")] == [1, 2, 3, 4]
    cells = [data for kind, data in recorder.events if kind == "cell"]
    assert [(cell["done"], cell["total"]) for cell in cells] == [(1, 3), (2, 3), (3, 3)]


def test_the_ledger_is_json_that_comes_back(registry: Registry) -> None:
    ledger = run_here(make_conductor(tiny_study(), registry), registry, decide=lambda n, u: n != 1)
    run_id = registry.open_run(JOB, name="")
    assert Ledger.load(registry, run_id).trials == ledger.trials
    assert ledger.trials[1].state is TrialState.STOPPED
    json.loads(
        registry.get_artifact(run_id, "study/ledger.json"),
        parse_constant=lambda name: pytest.fail(name),
    )
    assert 0 < ledger.seconds < time.monotonic()


def test_the_end_of_a_trial_is_told_though_the_driver_was_killed_before(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny_study(limits={"trials": 1})
    first = make_conductor(spec, registry)
    trial = first.begin_trial()
    assert trial is not None
    progress = start_trial(spec, trial, registry).advance()
    first.note_progress(0, progress, trial.values, "here")
    monkeypatch.setattr(Conductor, "_finish", lambda *_: None)  # killed after the ledger's save
    first.note_end(0, stopped=True)
    monkeypatch.undo()

    recorder = MemoryRecorder()
    second = make_conductor(spec, registry, recorder=recorder)
    assert [kind for kind, _ in recorder.events] == ["trial.stopped", "cell"]
    assert second.complete
    recorder = MemoryRecorder()
    make_conductor(spec, registry, recorder=recorder)
    assert recorder.events == []


def test_failed_trials_go_on_when_they_are_revived(registry: Registry) -> None:
    spec = tiny_study(limits={"trials": 2, "failed_trials": 0})
    first = make_conductor(spec, registry)
    trial = first.begin_trial()
    assert trial is not None
    first.note_progress(0, start_trial(spec, trial, registry).advance(), trial.values, "here")
    first.note_end(0, error="its data is missing")
    assert first.failing
    assert first.begin_trial() is None

    second = make_conductor(spec, registry)
    second.revive_failed()
    again = second.begin_trial()
    assert again is not None
    assert (again.number, again.error, again.updates) == (0, None, trial.updates)
    ledger = run_here(make_conductor(spec, registry), registry)
    assert [t.state for t in ledger.trials] == [TrialState.COMPLETED] * 2
