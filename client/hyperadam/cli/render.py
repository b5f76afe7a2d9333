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
        Dataset,
        EvaluationResult,
        EvaluationRow,
        Job,
        MetaTrainingResult,
        Optimizer,
        Preset,
        Version,
        VersionHistory,
    )
    from hyperadam.cli.tables import Column, FittedTable

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


def format_state(state: str) -> Text:
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


def make_jobs_table(jobs: Iterable[Job]) -> FittedTable:
    from hyperadam.cli.tables import optional, whole

    table = make_table(
        whole("job"),
        whole("kind", rank=2),
        optional("name", rank=1),
        whole("state"),
        whole("progress", rank=4),
        whole("created (UTC)", rank=3),
        whole("version", rank=5),
    )
    for job in jobs:
        table.add_row(
            job.id,
            job.kind,
            job.name or "",
            format_state(job.state),
            "–" if job.progress is None else f"{job.progress:.0%}",
            format_time(job.created_at),
            str(job.version) if job.version else "",
        )
    return table


def make_job_table(job: Job) -> Table:
    left = None if job.ended else job.eta_seconds
    starts_in = job.starts_in_seconds
    facts: dict[str, Any] = {
        "job": job.id,
        "kind": job.kind,
        "name": job.name,
        "labels": ", ".join(f"{name}={value}" for name, value in job.labels.items()),
        "state": format_state(job.state),
        "progress": None if job.progress is None else f"{job.progress:.0%}",
        "left": None if left is None else format_duration(left),
        "place in the queue": job.queue_position,
        "waits: it": job.waiting_reason,
        "starts in": None if starts_in is None else f"about {format_duration(starts_in)}",
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
    return _make_fact_table(facts)


def make_training_table(result: MetaTrainingResult) -> Table:
    best_loss = format_number(result.best_validation_loss)
    return _make_fact_table(
        {
            "version": f"{result.optimizer}@{result.number}",
            "sha256": result.sha256,
            "validation loss": f"{best_loss} (best, update {result.best_update})",
            "untrained": format_number(result.initial_validation_loss),
            "updates": result.n_updates,
            "time": format_duration(result.wall_seconds),
        }
    )


def make_evaluation_table(result: EvaluationResult) -> FittedTable:
    """Final loss by task and optimizer, mean ± standard error; the best of each task in bold."""
    names = list(dict.fromkeys(row.optimizer for row in result.rows))
    table = make_table("task", title=_describe_evaluation(result))
    for name in names:
        table.add_column(name, justify="right")

    for task in dict.fromkeys(row.task for row in result.rows):
        rows = {row.optimizer: row for row in result.rows if row.task == task}
        means = [row.mean for row in rows.values() if row.mean is not None]
        best = min(means, default=None)
        table.add_row(task, *(_format_loss(rows.get(name), best) for name in names))
    return table


def _describe_evaluation(result: EvaluationResult) -> str:
    if result.horizon is None:
        return f"suites on {result.dataset}: final losses; of timing, seconds per update"
    if result.measure == "seconds per update":
        return f"{result.measure}, {result.n_starts} repeats of {result.horizon} updates"
    steps = f"{result.horizon} steps on {result.dataset}"
    return f"{result.measure} after {steps}, {result.n_starts} starts"


def _format_loss(row: EvaluationRow | None, best: float | None) -> Text:
    from rich.text import Text

    if row is None:
        return Text("")

    if row.mean is None:
        text = Text("diverged")
    else:
        is_best = row.mean == best
        text = Text(_format_loss_value(row.mean), style="bold" if is_best else "")
        if row.stderr is not None:
            text.append(f" ± {_format_loss_value(row.stderr)}")

    if row.n_diverged:
        text.append(f" ({row.n_diverged} diverged)", style="red")
    return text


def _format_loss_value(value: float) -> str:
    is_ordinary = value == 0 or 5e-3 <= abs(value) < 1e4
    return f"{value:.4f}" if is_ordinary else f"{value:.3g}"


def make_optimizers_table(optimizers: Iterable[Optimizer]) -> FittedTable:
    from hyperadam.cli.tables import whole

    table = make_table(whole("optimizer"), whole("latest"), whole("created (UTC)", 1), "aliases")
    for optimizer in optimizers:
        latest = optimizer.latest
        aliases = sorted(optimizer.aliases.items())
        table.add_row(
            optimizer.name,
            str(latest.number),
            format_time(latest.created_at),
            ", ".join(f"{alias} → {number}" for alias, number in aliases),
        )
    return table


def make_versions_table(versions: Iterable[Version]) -> FittedTable:
    from hyperadam.cli.tables import whole

    table = make_table(
        whole("version"),
        "aliases",
        whole("created (UTC)", rank=1),
        whole("job", rank=2),
        whole("bytes", rank=4),
        whole("sha256", rank=3),
    )
    for version in versions:
        table.add_row(
            str(version),
            ", ".join(version.aliases),
            format_time(version.created_at),
            version.job_id or "",
            str(version.size_bytes),
            version.sha256[:12],
        )
    return table


def make_aliases_table(aliases: Aliases) -> FittedTable:
    table = make_table("alias", "version", "moved by", title="aliases")
    for alias in aliases.items:
        movers = "promotion rules" if alias.protected else "admins"
        table.add_row(alias.alias, str(alias.version), movers)
    return table


def make_history_table(aliases: Aliases) -> FittedTable:
    table = make_table("changed (UTC)", "alias", "from", "to", "by", "reason", title="history")
    for change in aliases.history:
        table.add_row(
            format_time(change.changed_at),
            change.alias,
            _format_version_number(change.old_version),
            _format_version_number(change.new_version),
            change.actor,
            change.reason,
        )
    return table


def make_version_history_table(history: VersionHistory) -> FittedTable:
    table = make_table("changed (UTC)", "version", "became", "by", "reason")
    for change in history.items:
        table.add_row(
            format_time(change.changed_at),
            str(change.number),
            change.action,
            change.actor,
            change.reason,
        )
    return table


def make_presets_table(presets: Iterable[Preset]) -> FittedTable:
    from hyperadam.cli.tables import whole

    table = make_table(whole("kind"), whole("preset"), whole("about"), "what it is for")
    for preset in presets:
        seconds = preset.cost.seconds if preset.cost else None
        table.add_row(preset.kind, preset.name, format_duration(seconds), preset.purpose)
    return table


def make_datasets_table(datasets: Iterable[Dataset]) -> FittedTable:
    from hyperadam.cli.tables import whole

    table = make_table(
        whole("dataset"),
        whole("there"),
        whole("example", rank=2),
        whole("classes", rank=3),
        whole("examples", rank=4),
        whole("owner", rank=5),
        "what it is",
    )
    states = {True: "yes", False: "no", None: "?"}
    for dataset in datasets:
        table.add_row(
            dataset.name,
            states[dataset.available],
            "×".join(map(str, dataset.shape)),
            _format_targets(dataset),
            ", ".join(f"{n:,} {split}" for split, n in dataset.n_examples.items()),
            "built in" if dataset.registered is None else dataset.registered.owner,
            dataset.title,
        )
    return table


def _format_targets(dataset: Dataset) -> str:
    """How many classes there are, or numbers to predict."""
    unit = " numbers" if dataset.targets == "numbers" else ""
    return f"{dataset.n_classes}{unit}"


def _format_version_number(number: int | None) -> str:
    return "–" if number is None else str(number)


def make_table(*columns: Column | str, title: str | None = None) -> FittedTable:
    """An empty table with these columns."""
    from hyperadam.cli.tables import FittedTable

    return FittedTable(*columns, title=title)


def _make_fact_table(facts: Mapping[str, Any]) -> Table:
    """Names and values below each other; what is None or empty is left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, ""):
            text = value if isinstance(value, Text) else Text(str(value))
            grid.add_row(Text(name, style="dim"), text)
    return grid
