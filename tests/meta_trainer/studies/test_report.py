"""What is said of a ledger: by hand-made ledgers whose answers are known."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.analysis import (
    compute_savings,
    estimate_importance,
    find_best_trial,
    rank_trials,
    summarize_points,
)
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialReport, TrialState
from meta_trainer.studies.pictures import draw_importance
from meta_trainer.studies.report import make_files, to_csv, to_json

SPEC = StudySpec.model_validate(
    {
        "space": {
            "meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-2},
            "tricks.convex_scaling": {"kind": "uniform", "low": 0, "high": 1},
            "rule.lstm": {
                "kind": "choice",
                "options": [True, False],
                "labels": ["LSTM", "no | LSTM"],
            },
        },
        "seeds": [0, 1],
        "resources": {"cpus": 1, "workers": 1},
    }
)


def trial(
    number: int, loss: float, state: TrialState = TrialState.COMPLETED, **more: object
) -> TrialRecord:
    point = number // 2
    values = {
        "meta_optimizer.rate": 1e-4 * 10 ** (2 * (point % 8) / 7),
        "tricks.convex_scaling": (point * 5 % 8) / 8,
        "rule.lstm": point % 2 == 0,
    }
    record = TrialRecord(
        number=number, point=point, seed=number % 2, values=values, n_updates=100, state=state
    )
    if state is not TrialState.FAILED:
        updates = 100 if state is TrialState.COMPLETED else 25
        record.add_report(
            TrialReport(
                update=updates,
                validation_loss=loss,
                best_validation_loss=loss,
                seconds=0.36 * updates,
            )
        )
    return record


def ledger() -> Ledger:
    """The objective is the point's number, ± 0.1 by seed; trial 4 diverged, 6 failed, 7 was
    stopped."""
    trials = [trial(n, n // 2 + (0.1 if n % 2 else -0.1)) for n in range(16)]
    trials[4] = trial(4, math.inf)
    trials[6] = trial(6, math.nan, TrialState.FAILED)
    trials[6].error = "ValueError: no"
    trials[7] = trial(7, 3.1, TrialState.STOPPED)
    return Ledger(trials=trials, seconds=60.0)


def test_leaderboard() -> None:
    ranked = [record.number for record in rank_trials(SPEC, ledger())]
    assert ranked[:5] == [0, 1, 2, 3, 5]
    assert ranked[-1] == 4  # diverged
    assert 6 not in ranked
    best = find_best_trial(SPEC, ledger())
    assert best is not None
    assert best.number == 0
    assert find_best_trial(SPEC, Ledger(trials=[trial(0, math.inf)])) is None


def test_points_are_means_over_seeds() -> None:
    summaries = summarize_points(SPEC, ledger())
    assert [summary.mean for summary in summaries[:3]] == pytest.approx([0, 1, 2.1])
    assert summaries[0].stderr == pytest.approx(0.1)
    assert (summaries[2].stderr, summaries[2].n_bad) == (None, 1)
    assert (summaries[3].n_bad, summaries[3].n_trials) == (1, 2)


def test_losses_at_unlike_budgets_are_not_averaged() -> None:
    """Trial 7 was stopped after 25 of 100 updates: its loss stands in no mean."""
    stopped = summarize_points(SPEC, ledger())[3]
    assert (stopped.n_stopped, stopped.mean, stopped.objectives) == (1, None, [])
    assert summarize_points(SPEC, ledger())[0].n_stopped == 0


@pytest.mark.slow
def test_importance_is_said_from_trials_that_were_finished_alone() -> None:
    """With all but two trials stopped early, nothing can be said, and the page says so."""
    states = [TrialState.COMPLETED] * 2 + [TrialState.STOPPED] * 14
    trials = [trial(n, n // 2, state) for n, state in enumerate(states)]
    cut_short = Ledger(trials=trials, seconds=60.0)
    assert estimate_importance(SPEC, cut_short) is None
    page = make_files(SPEC, cut_short, None, "A study")["report.md"].decode()
    assert "Which field decides cannot be said: 1 points were trained to the end" in page


@pytest.mark.slow
def test_the_field_that_decides_is_the_important_one() -> None:
    importance = estimate_importance(SPEC, Ledger(trials=[trial(n, n // 2) for n in range(16)]))
    assert importance is not None
    shares = importance.shares
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.__getitem__) == "meta_optimizer.rate"
    assert estimate_importance(SPEC, Ledger(trials=[trial(n, n) for n in range(4)])) is None


def test_savings_are_the_updates_that_were_left_out_on_all_cores() -> None:
    saved = compute_savings(SPEC, ledger())
    assert (saved.n_stopped, saved.updates) == (1, 75)
    assert saved.worker_hours == pytest.approx(75 * 0.36 * 2 / 3600)
    assert saved.spent_worker_hours == pytest.approx((14 * 36 + 9) * 2 / 3600)


def test_json_has_no_number_that_is_none() -> None:
    content = json.loads(json.dumps(to_json(SPEC, ledger(), None), allow_nan=False))
    assert content["trials"][4]["objective"] is None
    assert content["trials"][4]["curve"] == [
        {"update": 100, "validation_loss": None, "best_validation_loss": None}
    ]
    assert content["leaderboard"][0] == content["best_trial"] == 0
    assert content["trials"][6]["error"] == "ValueError: no"


def test_csv_is_one_line_a_trial() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(SPEC, ledger()))))
    assert len(rows) == 16
    assert rows[0]["rule.lstm"] == "LSTM"
    assert (rows[4]["objective"], rows[5]["objective"]) == ("", "2.1")
    assert (rows[7]["state"], rows[7]["updates"]) == ("stopped", "25")


@pytest.mark.slow
def test_the_report_is_whole() -> None:
    version = {"optimizer": "hyperadam", "number": 3, "sha256": "ab"}
    report_files = make_files(SPEC, ledger(), version, "A study")
    pictures = {"curves.png", "effect.png", "coordinates.png", "importance.png"}
    assert set(report_files) == {"result.json", "trials.csv", "report.md", "report.html"} | pictures
    assert all(report_files[name].startswith(b"\x89PNG") for name in pictures)
    page = report_files["report.html"].decode()
    markdown = report_files["report.md"].decode()
    assert page.count("data:image/png;base64,") == 4
    for text in (page, markdown):
        assert "hyperadam@3" in text
        assert "Stopping 1 trials early left out 75 updates" in text
        assert "ValueError: no" in text
    assert "no \\| LSTM" in markdown


def test_a_study_without_any_result_has_a_report_too() -> None:
    ledger_of_a_failure = Ledger(trials=[trial(0, 0.0, TrialState.FAILED)])
    report_files = make_files(SPEC, ledger_of_a_failure, None, "A study")
    assert "report.html" in report_files
    assert "curves.png" not in report_files


@pytest.mark.parametrize("name", ["costs $5 {", "$", "a$b$c", "$\\frac{$"])
def test_a_name_is_no_formula(name: str) -> None:
    assert draw_importance({"rate": 1.0}, name).startswith(b"\x89PNG")
