"""Tables and texts for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from hyperadam.api import (
        Aliases,
        EvaluationResult,
        EvaluationRow,
        Job,
        MetaTrainingResult,
        Optimizer,
        Version,
    )

_STATE_STYLES: Final[Mapping[str, str]] = {
    "succeeded": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "cancelling": "yellow",
    "expiring": "bold red",
    "running": "cyan",
    "starting": "cyan",
    "paused": "magenta",
    "pausing": "magenta",
}


def state_text(state: str) -> Text:
    """A job's state in its colour."""
    from rich.text import Text

    return Text(state, style=_STATE_STYLES.get(state, ""))


def format_number(value: float | None) -> str:
    """Four significant digits; a dash for what is not finite or not known."""
    return "–" if value is None else f"{value:.4g}"


def format_duration(seconds: float | None) -> str:
    """As 1:02:03 or 0:45; a dash when it is not known."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def format_time(time: datetime | None) -> str:
    """In UTC, to the second; a dash for none."""
    return "–" if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def jobs_table(jobs: Iterable[Job]) -> Table:
    table = make_table("job", "kind", "name", "state", "progress", "created (UTC)", "version")
    for job in jobs:
        progress = "–" if job.progress is None else f"{job.progress:.0%}"
        version = str(job.version) if job.version else ""
        state, created = state_text(job.state), format_time(job.created_at)
        table.add_row(job.id, job.kind, job.name or "", state, progress, created, version)
    return table


def job_table(job: Job) -> Table:
    facts: dict[str, Any] = {
        "job": job.id,
        "kind": job.kind,
        "name": job.name,
        "labels": ", ".join(f"{name}={value}" for name, value in job.labels.items()),
        "state": state_text(job.state),
        "progress": None if job.progress is None else f"{job.progress:.0%}",
        "left": None if job.eta_seconds is None or job.ended else format_duration(job.eta_seconds),
        "place in the queue": job.queue_position,
        "starts in": None
        if job.starts_in_seconds is None
        else f"about {format_duration(job.starts_in_seconds)}",
        "priority": job.priority or None,
        "deadline": format_time(job.deadline) if job.deadline else None,
        "cloned from": job.cloned_from,
        "attempt": job.attempt or None,
        "version": job.version,
        "error": str(job.error) if job.error else None,
        "submitted by": job.actor,
        "created": format_time(job.created_at),
        "started": format_time(job.started_at) if job.started_at else None,
        "ended": format_time(job.ended_at) if job.ended_at else None,
        "spec": json.dumps(job.spec, indent=2),
    }
    return _facts(facts)


def training_table(result: MetaTrainingResult) -> Table:
    return _facts(
        {
            "version": f"{result.optimizer}@{result.number}",
            "sha256": result.sha256,
            "validation loss": f"{format_number(result.best_validation_loss)} (best, update {result.best_update})",
            "untrained": format_number(result.initial_validation_loss),
            "updates": result.n_updates,
            "time": format_duration(result.wall_seconds),
        }
    )


def evaluation_table(result: EvaluationResult) -> Table:
    """Final loss by task and optimizer, mean ± standard error; the best of each task in bold."""
    names = list(dict.fromkeys(row.optimizer for row in result.rows))
    title = f"{result.measure} after {result.horizon} steps on {result.dataset}, {result.n_starts} starts"
    if result.horizon is None:
        title = f"suites on {result.dataset}: final losses; of timing, seconds per update"
    elif result.measure == "seconds per update":
        title = f"{result.measure}, {result.n_starts} repeats of {result.horizon} updates"
    table = make_table("task", title=title)
    for name in names:
        table.add_column(name, justify="right")
    for task in dict.fromkeys(row.task for row in result.rows):
        rows = {row.optimizer: row for row in result.rows if row.task == task}
        best = min((row.mean for row in rows.values() if row.mean is not None), default=None)
        table.add_row(task, *(_loss(rows.get(name), best) for name in names))
    return table


def _loss(row: EvaluationRow | None, best: float | None) -> Text:
    from rich.text import Text

    if row is None:
        return Text("")
    mean = "diverged" if row.mean is None else _value(row.mean)
    text = Text(mean, style="bold" if row.mean is not None and row.mean == best else "")
    if row.mean is not None and row.stderr is not None:
        text.append(f" ± {_value(row.stderr)}")
    if row.n_diverged:
        text.append(f" ({row.n_diverged} diverged)", style="red")
    return text


def _value(value: float) -> str:
    return f"{value:.4f}" if not value or 5e-3 <= abs(value) < 1e4 else f"{value:.3g}"


def optimizers_table(optimizers: Iterable[Optimizer]) -> Table:
    table = make_table("optimizer", "latest", "created (UTC)", "aliases")
    for one in optimizers:
        aliases = ", ".join(f"{alias} → {number}" for alias, number in sorted(one.aliases.items()))
        table.add_row(one.name, str(one.latest.number), format_time(one.latest.created_at), aliases)
    return table


def versions_table(versions: Iterable[Version]) -> Table:
    table = make_table("version", "aliases", "created (UTC)", "job", "bytes", "sha256")
    for one in versions:
        aliases = ", ".join(one.aliases)
        sha256 = one.sha256[:12]
        table.add_row(
            str(one),
            aliases,
            format_time(one.created_at),
            one.job_id or "",
            str(one.size_bytes),
            sha256,
        )
    return table


def aliases_table(aliases: Aliases) -> Table:
    table = make_table("alias", "version", "moved by", title="aliases")
    for one in aliases.items:
        table.add_row(one.alias, str(one.version), "promotion rules" if one.protected else "admins")
    return table


def history_table(aliases: Aliases) -> Table:
    table = make_table("changed (UTC)", "alias", "from", "to", "by", "reason", title="history")
    for one in aliases.history:
        old, new = (
            "–" if number is None else str(number) for number in (one.old_version, one.new_version)
        )
        table.add_row(format_time(one.changed_at), one.alias, old, new, one.actor, one.reason)
    return table


def make_table(*columns: str, title: str | None = None) -> Table:
    """An empty table with these columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _facts(facts: Mapping[str, Any]) -> Table:
    """Names and values below each other; what is None or empty is left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, ""):
            grid.add_row(
                Text(name, style="dim"), value if isinstance(value, Text) else Text(str(value))
            )
    return grid
