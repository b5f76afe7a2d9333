"""The page says how many kills were made, and never that all is well when it is not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.chaos.page import WELL, format_page
from tests.chaos.storm import Outcome

WHOLE = Outcome(
    50,
    kills=Counter(worker=13, node=13, driver=12, service=12),
    jobs=["job_a", "job_b"],
    states=Counter(succeeded=2),
    attempts=Counter(lost=12, succeeded=2),
    n_resumed=11,
    n_versions=2,
    n_equal=2,
    seconds=600.0,
    seconds_in_all=650.0,
)


def test_whole_storm() -> None:
    text = format_page(WHOLE, seed=3)
    assert "seed 3 |" in text
    assert "| kills and accidents | 50 of 50 |" in text
    assert "worker 13, node 13, driver 12, service 12" in text
    assert "12 lost, 2 succeeded; 11 went on from a checkpoint" in text
    assert f"**{WELL}**" in text


def test_storm_cut_short_says_how_many_kills_are_missing() -> None:
    text = format_page(
        replace(WHOLE, kills=Counter(worker=2, driver=1), cut_short="an interrupt"), seed=0
    )
    assert "| kills and accidents | 3 of 50: cut short by an interrupt |" in text
    assert "But 47 of 50 kills were not made." in text


@pytest.mark.parametrize(
    "what",
    [
        pytest.param({"states": Counter(succeeded=1, failed=1)}, id="a job failed"),
        pytest.param({"states": Counter(succeeded=1, running=1)}, id="a job did not end"),
        pytest.param({"n_versions": 3}, id="a version twice"),
        pytest.param({"n_versions": 1, "n_equal": 1}, id="a version less"),
        pytest.param({"n_equal": 1}, id="another theta"),
        pytest.param({"complaints": ["another user could /bin/ls"]}, id="a complaint"),
        pytest.param({"trouble": "nothing got further for 900 s after kill 7"}, id="stuck"),
    ],
)
def test_what_was_lost_is_not_called_well(what: dict[str, object]) -> None:
    outcome = replace(WHOLE, **what)  # type: ignore[arg-type]
    assert not outcome.is_well
    assert WELL not in format_page(outcome, seed=0)
