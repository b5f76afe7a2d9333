"""Tables in a terminal of 80 columns, and ids by their beginnings."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hyperadam.api import Job, StudyResult
from hyperadam.api.decode import decode
from hyperadam.cli.job_ids import is_whole
from hyperadam.cli.render import make_jobs_table
from hyperadam.cli.render_study import make_study_table
from rich.console import Console

IDS = ["job_mfrggzdfmztwq2lk", "job_a2rggzdfmztwq2lk"]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def show(table: Any, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_ids_and_states_never_break(width: int) -> None:
    jobs = [
        Job(
            id=job_id,
            kind="meta-training",
            name="a name that is much longer than any column of a table could be, with words",
            state="cancelling",
            spec={},
            progress=0.5,
            created_at=NOW,
        )
        for job_id in IDS
    ]
    text = "\n".join(show(make_jobs_table(jobs), width))
    for job_id in IDS:
        assert job_id in text
    assert text.count("cancelling") == 2
    has_note = "no room for: " in text
    assert has_note == (width < 100)


def test_a_leaderboard_is_readable_at_80_columns() -> None:
    trial = {
        "number": 3,
        "point": 0,
        "values": {"meta_optimizer.rate": 0.00123456, "tricks.random_scaling": 1.5},
        "seed": 0,
        "objective": 0.123456,
        "updates": 20,
        "n_updates": 20,
        "state": "succeeded",
        "seconds": 61.0,
    }
    result = decode(
        StudyResult,
        {
            "objective": "best_validation_loss",
            "space": ["meta_optimizer.rate", "tricks.random_scaling"],
            "trials": [trial],
            "leaderboard": [3],
            "best_trial": 3,
            "version": None,
        },
    )
    lines = show(make_study_table(result), 80)
    row = next(line for line in lines if "0.1235" in line)
    assert row.split()[:5] == ["1", "3", "0.1235", "0.001235", "1.5"]


def test_what_may_be_the_beginning_of_an_id() -> None:
    assert is_whole(IDS[0])
    assert is_whole("../up")
    assert not is_whole("job_mfr")
    assert not is_whole("mfr")
