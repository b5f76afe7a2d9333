"""A study compares trials, so that all of them have the kernel of the first one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hyperadam.kernels import can_be_fused
from hyperadam.theta import Theta

from meta_trainer.runners import NoRoom
from meta_trainer.runs.kernel import load_kernel
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.conductor import Conductor
from meta_trainer.studies.control import Control
from meta_trainer.studies.ledger import THETA_PATH, Ledger, TrialState
from meta_trainer.studies.on_ray.messages import Watcher
from meta_trainer.studies.trial import Progress
from meta_trainer.training import kernel
from meta_trainer.training.kernel import KernelMissing
from registry import Registry, connect
from tests.meta_trainer.studies.conftest import (
    JOB,
    make_conductor,
    run_here,
    start_trial,
    tiny_study,
)

Have = Callable[[str], None]


@pytest.fixture
def registry() -> Registry:
    return connect("memory://")


@pytest.fixture
def have(monkeypatch: pytest.MonkeyPatch) -> Have:
    """This machine has a kernel from now on, for rules that have compiled code."""

    def have(name: str) -> None:
        def name_kernel(rule: Any) -> str:
            is_fused = rule is not None and can_be_fused(rule)
            return name if is_fused else f"plain/{name.partition('/')[2]}"

        monkeypatch.setattr(kernel, "name_kernel", name_kernel)

    return have


def list_lineages(registry: Registry, ledger: Ledger) -> list[str]:
    """The kernel of each trial's Θ."""
    thetas = [
        Theta.from_bytes(registry.get_artifact(trial.run_id or "", THETA_PATH))
        for trial in ledger.trials
    ]
    return [str(theta.provenance["kernel"]) for theta in thetas]


def load_shared(registry: Registry) -> str | None:
    return load_kernel(registry, registry.open_run(JOB, name="study"))


def begin(conductor: Conductor, registry: Registry) -> None:
    """Begin the next trial here."""
    trial = conductor.begin_trial()
    assert trial is not None
    start_trial(conductor.spec, trial, registry)


def test_later_trials_need_the_kernel_of_the_first(registry: Registry, have: Have) -> None:
    have("fused/AVX512")
    run_here(make_conductor(tiny_study(limits={"trials": 1}), registry), registry)
    assert load_shared(registry) == "fused/AVX512"

    Control(trials=3).save(registry, registry.open_run(JOB, name="study"))
    for other in ("plain/AVX512", "fused/AVX2"):
        have(other)
        with pytest.raises(KernelMissing, match=f"began with .* fused/AVX512, .* have {other}"):
            begin(make_conductor(tiny_study(), registry), registry)
    have("fused/AVX512")
    ledger = run_here(make_conductor(tiny_study(), registry), registry)
    assert list_lineages(registry, ledger) == ["fused/AVX512"] * 3


def test_a_rule_without_compiled_code_is_plain_everywhere(registry: Registry, have: Have) -> None:
    have("fused/AVX512")
    cells = {"kind": "choice", "options": [False, True]}
    spec = tiny_study(space={"rule.lstm": cells}, searcher={"kind": "grid"})
    ledger = run_here(make_conductor(spec, registry), registry)
    assert [trial.values["rule.lstm"] for trial in ledger.trials] == [False, True]
    assert list_lineages(registry, ledger) == ["plain/AVX512", "fused/AVX512"]
    assert load_shared(registry) == "fused/AVX512"


def test_its_width_is_the_studys_all_the_same(registry: Registry, have: Have) -> None:
    have("fused/AVX512")
    spec = tiny_study(base={"rule": {"kind": "rnnprop"}})
    begin(make_conductor(spec, registry), registry)
    have("fused/AVX2")
    with pytest.raises(KernelMissing, match="began with the kernel plain/AVX512"):
        begin(make_conductor(spec, registry), registry)


def test_a_study_that_takes_any_demands_none(registry: Registry, have: Have) -> None:
    spec = tiny_study(base={"kernel": "any"})
    for name in ("fused/AVX512", "plain/AVX2"):
        have(name)
        begin(make_conductor(spec, registry), registry)
    assert load_shared(registry) is None


def refuse(conductor: Conductor, reason: str = "the workers have another") -> None:
    trial = conductor.begin_trial()
    assert trial is not None
    conductor.note_progress(
        trial.number, Progress(report=None, refusal=reason), trial.values, "here"
    )
    conductor.note_end(trial.number)


def test_a_trial_that_cannot_have_it_waits_and_says_so(registry: Registry) -> None:
    spec: StudySpec = tiny_study(limits={"trials": 2, "parallel_trials": 2})
    conductor = make_conductor(spec, registry)
    other = conductor.begin_trial()
    assert other is not None
    refuse(conductor)
    assert conductor.begin_trial() is None  # what was proposed is not made up for by others
    assert not conductor.stuck
    conductor.note_end(other.number)
    assert conductor.stuck
    assert [trial.state for trial in conductor.ledger.trials] == [TrialState.RUNNING] * 2

    watcher = Watcher(conductor, desk=None, has_new_place=lambda: True)
    with pytest.raises(NoRoom, match="the workers have another"):
        watcher.on_step_begin(0, [])
    ledger = run_here(make_conductor(spec, registry), registry)
    assert [trial.state for trial in ledger.trials] == [TrialState.COMPLETED] * 2
