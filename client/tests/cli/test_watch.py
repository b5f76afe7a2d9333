"""The live view and the tables, from events and results as the server sends them."""

from __future__ import annotations

import io
import re
from collections.abc import Generator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from hyperadam.api import (
    ApiError,
    EvaluationResult,
    Event,
    Job,
    NotFound,
    ServerUnreachable,
    Unavailable,
)
from hyperadam.api.decode import decode
from hyperadam.cli import following, render, watch
from rich.console import Console

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job(id="job_1", kind="meta-training", state="queued", spec={}, created_at=NOW)


def event(kind: str, **data: Any) -> Event:
    return Event(id=1, type=kind, time=NOW, attempt=1, data=data)


HISTORY = [
    event("job.state", **{"from": "queued", "to": "running"}),
    event("started", n_updates=50, resumed_from=None),
    event("validation", update=0, loss=2.3, best=True),
    event("progress", update=10, n_updates=50, meta_loss=0.51234, eta_seconds=75),
    event("validation", update=25, loss=0.4, best=True),
    event("validation", update=50, loss=0.45, best=False),
    event("progress", update=50, n_updates=50, meta_loss=None, eta_seconds=0),
    event("checkpoint", update=50),
    event("version", optimizer="hyperadam", number=3, sha256="ab"),
    event("finished"),
    event("something-new", x=[1]),
    event("job.state", **{"from": "running", "to": "succeeded"}),
    event("job.ended", state="succeeded"),
]


def play_history() -> Generator[Event]:
    yield from HISTORY


class FakeJobs:
    def get(self, job_id: str) -> Job:
        return Job(id=job_id, kind="meta-training", state="succeeded", spec={}, created_at=NOW)


def show(terminal: bool) -> str:
    console = Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=100,
        color_system="standard" if terminal else None,
    )
    client: Any = SimpleNamespace(jobs=FakeJobs())
    assert watch.follow_job(client, JOB, play_history(), console).state == "succeeded"
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_the_view_follows_the_events() -> None:
    view = watch.JobView("x", "queued")
    for past_event in HISTORY[:4]:
        view.apply(past_event)
    assert (view.state, view.fraction) == ("running", 0.2)
    assert view.describe_progress() == [
        "10/50",
        "meta-loss 0.5123",
        "validation 2.3",
        "best 2.3 at 0",
        "1:15 left",
    ]
    for past_event in HISTORY[4:]:
        view.apply(past_event)
    assert (view.state, view.fraction, view.version) == ("succeeded", 1.0, "hyperadam@3")
    assert view.describe_progress() == ["50/50", "validation 0.45", "best 0.4 at 25"]


def test_a_resumed_attempt_goes_on_where_it_was() -> None:
    view = watch.JobView("x", "running")
    view.apply(event("started", n_updates=50, resumed_from=20))
    assert view.fraction == 0.4
    assert view.notes == ["resumed from update 20"]


def test_an_evaluation_shows_its_cells() -> None:
    view = watch.JobView("x", "running")
    view.apply(event("cell", done=3, total=12, label="relu adam"))
    assert view.describe_progress() == ["3/12", "relu adam"]


@pytest.mark.parametrize(
    ("promoted", "verdict"), [(True, "now points at the new version"), (False, "stays where it is")]
)
def test_a_promotion_is_told_with_its_reason(promoted: bool, verdict: str) -> None:
    view = watch.JobView("x", "running")
    view.apply(
        event("promotion", alias="champion", promoted=promoted, why="final loss -3.10% ± 0.40%")
    )
    assert view.notes == [f"alias champion {verdict}: final loss -3.10% ± 0.40%"]


@pytest.mark.parametrize(
    "kind", ["job.state", "job.ended", "started", "progress", "validation", "cell", "version"]
)
def test_data_of_another_form_is_left_out(kind: str) -> None:
    view = watch.JobView("x", "running")
    view.apply(event(kind))
    view.apply(
        event(kind, update="?", n_updates=None, loss="nan", done=[], total={}, meta_loss=True)
    )
    assert view.fraction == 0.0
    assert view.describe_progress() == []


def test_without_a_terminal_there_are_plain_lines() -> None:
    lines = show(terminal=False).splitlines()
    assert "\x1b" not in "".join(lines)
    assert lines == [
        "meta-training job_1: queued",
        "meta-training job_1: running",
        "meta-training job_1: validation 2.3 at update 0 (best)",
        "meta-training job_1: validation 0.4 at update 25 (best)",
        "meta-training job_1: validation 0.45 at update 50",
        "meta-training job_1: registered hyperadam@3",
        "meta-training job_1: succeeded",
    ]


def test_on_a_terminal_the_screen_is_live() -> None:
    screen = show(terminal=True)
    assert "\x1b" in screen
    assert "meta-loss 0.5123" in screen
    assert "100%" in screen


def row(task: str, optimizer: str, mean: float | None, **more: Any) -> dict[str, Any]:
    kind = "learned" if "@" in optimizer else "baseline"
    return {
        "task": task,
        "optimizer": optimizer,
        "kind": kind,
        "mean": mean,
        "stderr": 0.01,
        "n_diverged": 0,
        **more,
    }


def test_the_evaluation_table_marks_the_best() -> None:
    result = decode(
        EvaluationResult,
        {
            "suite": "activations",
            "dataset": "mnist5k",
            "horizon": 100,
            "n_starts": 4,
            "rows": [
                row("sigmoid", "hyperadam@3", 0.25),
                row("sigmoid", "adam", 0.5),
                row("relu", "hyperadam@3", None, stderr=None, n_diverged=4),
                row("relu", "adam", 0.125),
            ],
            "artifacts": [{"path": "curves.png", "size_bytes": 10}],
        },
    )
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system="standard")
    console.print(render.make_evaluation_table(result))
    screen = str(console.file.getvalue())  # type: ignore[attr-defined]
    lines = {
        line.split()[0]: re.sub(" +", " ", line) for line in screen.splitlines() if line.strip()
    }
    assert "final loss after 100 steps on mnist5k, 4 starts" in screen
    assert "\x1b[1m 0.2500 ± 0.0100\x1b[0m 0.5000 ± 0.0100" in lines["sigmoid"]
    assert "diverged" in lines["relu"]
    assert "(4 diverged)" in lines["relu"]
    assert "\x1b[1m0.1250 ± 0.0100\x1b[0m" in lines["relu"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0, "0:00"), (59.6, "1:00"), (3725, "1:02:05")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert render.format_duration(seconds) == text


@pytest.mark.parametrize(
    "error",
    [
        ServerUnreachable("cannot reach http://x: gone", maybe_done=True),
        Unavailable("starting", status=503),
        ApiError("a gateway", status=502),
    ],
)
def test_who_gives_up_on_a_server_reads_last_how_to_see_the_job_again(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    with pytest.raises(typer.Exit) as left, following.explain_end(JOB, "job", "jobs follow"):
        raise error
    assert left.value.exit_code == 3
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {error}")
    assert last == "nobody has stopped the job; `hyperadam jobs follow job_1` shows it again"


def test_what_the_server_refuses_is_not_an_end_of_the_view() -> None:
    with pytest.raises(NotFound), following.explain_end(JOB, "job", "jobs follow"):
        raise NotFound("no such job", status=404)


def test_an_interrupt_leaves_the_job_at_work_and_says_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        pytest.raises(typer.Exit) as left,
        following.explain_end(JOB, "study", "study follow"),
    ):
        raise KeyboardInterrupt
    assert left.value.exit_code == 130
    message = " ".join(capsys.readouterr().err.split())
    assert "the study goes on; `hyperadam study follow job_1` shows it again" in message
