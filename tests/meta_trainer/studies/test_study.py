"""A study as a job: data is checked before anything is trained, and a failed one can be retried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meta_trainer.datasets import DatasetMissing
from meta_trainer.runs.run_recorder import RunRecorder
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.conductor import Conductor, StudyFailed
from meta_trainer.studies.control import Control
from meta_trainer.studies.ledger import Ledger
from meta_trainer.studies.study import Study
from registry import Registry, connect
from tests.meta_trainer.studies.conftest import JOB, run_here, tiny_study


def make_study(spec: StudySpec, registry: Registry, data_dir: str | None = None) -> Study:
    run_id = registry.open_run(JOB, name="study")
    return Study(
        spec=spec,
        job_id=JOB,
        title="Study",
        registry=registry,
        connect=lambda: registry,
        run_id=run_id,
        recorder=RunRecorder(registry, run_id, 1),
        data_dir=data_dir,
        cache_dir=None,
        should_stop=lambda: False,
    )


def let_trials(monkeypatch: pytest.MonkeyPatch, run: Callable[[Study, Conductor], object]) -> None:
    """In place of Ray."""
    monkeypatch.setattr(Study, "_run_trials", run)


def test_missing_data_of_the_score_is_told_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    let_trials(monkeypatch, lambda *_: pytest.fail("a trial was trained"))
    objective = {"kind": "suite", "suite": "table1", "dataset": "cifar10"}
    registry = connect("memory://")
    study = make_study(tiny_study(objective=objective), registry, str(tmp_path))
    with pytest.raises(DatasetMissing):
        study.carry_out()


def test_a_failed_study_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(study: Study, conductor: Conductor) -> None:
        trial = conductor.begin_trial()
        assert trial is not None
        conductor.note_end(trial.number, error="its data is missing")

    def train(study: Study, conductor: Conductor) -> None:
        run_here(conductor, study.registry)

    registry = connect("memory://")
    spec = tiny_study(limits={"trials": 1, "failed_trials": 0})
    let_trials(monkeypatch, fail)
    with pytest.raises(StudyFailed, match="its data is missing"):
        make_study(spec, registry).carry_out()
    let_trials(monkeypatch, train)
    outcome = make_study(spec, registry).carry_out()
    assert outcome["version"]["number"] == 1
    run_id = registry.open_run(JOB, name="study")
    assert [trial.error for trial in Ledger.load(registry, run_id).trials] == [None]


@pytest.mark.slow
def test_an_extended_study_goes_on_with_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    let_trials(monkeypatch, lambda study, conductor: run_here(conductor, study.registry))
    registry = connect("memory://")
    spec = tiny_study(limits={"trials": 1})
    assert make_study(spec, registry).carry_out()["version"]["number"] == 1
    run_id = registry.open_run(JOB, name="study")
    [first] = Ledger.load(registry, run_id).trials

    Control(trials=3).save(registry, run_id)
    make_study(spec, registry).carry_out()
    extended = Ledger.load(registry, run_id).trials
    assert len(extended) == 3
    assert extended[0].to_json() == first.to_json()
    whole = connect("memory://")
    make_study(tiny_study(limits={"trials": 3}), whole).carry_out()
    trials = Ledger.load(whole, whole.open_run(JOB, name="study")).trials
    assert [trial.values for trial in extended] == [trial.values for trial in trials]
