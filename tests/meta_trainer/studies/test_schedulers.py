"""Stopping rules that are rebuilt from a ledger decide as if the study had never been cut off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialReport
from meta_trainer.studies.on_ray.schedulers import make_scheduler, to_tune_result
from tests.meta_trainer.studies.conftest import tiny_study

pytestmark = pytest.mark.slow  # Tune takes seconds to import

ASHA = {"kind": "asha", "grace_updates": 2, "reduction": 2.0}
MEDIAN = {"kind": "median", "grace_updates": 2, "min_trials": 2}


def report(update: int, loss: float) -> TrialReport:
    return TrialReport(update=update, validation_loss=loss, best_validation_loss=loss, seconds=1.0)


def trial(number: int, *losses: float) -> TrialRecord:
    """A trial that was validated every two updates."""
    record = TrialRecord(number=number, point=number, seed=0, values={}, n_updates=100)
    for index, loss in enumerate(losses, start=1):
        record.add_report(report(2 * index, loss))
    return record


def decide(scheduler: Any, spec: StudySpec, number: int, update: int, loss: float) -> str:
    known_to_tune = SimpleNamespace(config={"number": number})
    scheduler.on_trial_add(None, known_to_tune)
    result = to_tune_result(spec, report(update, loss))
    return str(scheduler.on_trial_result(None, known_to_tune, result))


@pytest.mark.parametrize("rule", [ASHA, MEDIAN], ids=["asha", "median"])
def test_a_rule_knows_the_reports_of_earlier_attempts(rule: dict[str, Any]) -> None:
    spec = tiny_study(scheduler=rule, base={"n_episodes": 50})
    ledger = Ledger(trials=[trial(0, 1.0, 1.0, 1.0), trial(1, 1.2, 1.2, 1.2)])
    scheduler = make_scheduler(spec, ledger)
    assert decide(scheduler, spec, number=2, update=2, loss=5.0) == "STOP"
    assert decide(scheduler, spec, number=3, update=2, loss=0.5) == "CONTINUE"


@pytest.mark.parametrize("rule", [ASHA, MEDIAN], ids=["asha", "median"])
def test_a_trial_under_way_goes_on_where_the_reports_of_others_came_later(
    rule: dict[str, Any],
) -> None:
    """The last trial went on after its first report, when the others had not said as much."""
    spec = tiny_study(scheduler=rule, base={"n_episodes": 50})
    ledger = Ledger(trials=[trial(0, 1.0), trial(1, 1.2), trial(2, 5.0, 5.0)])
    scheduler = make_scheduler(spec, ledger)
    assert decide(scheduler, spec, number=2, update=6, loss=0.1) == "CONTINUE"


def test_the_median_rule_is_told_of_too_few_trials() -> None:
    spec = tiny_study(scheduler=MEDIAN, base={"n_episodes": 50})
    scheduler = make_scheduler(spec, Ledger(trials=[trial(0, 1.0)]))
    assert decide(scheduler, spec, number=1, update=2, loss=5.0) == "CONTINUE"
