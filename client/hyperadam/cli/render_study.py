"""A study for people: its leaderboard, and its events as lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hyperadam.cli.render import format_duration, format_number, make_table

if TYPE_CHECKING:
    from rich.table import Table

    from hyperadam.api import Event, StudyResult, StudyTrial


def study_table(result: StudyResult) -> Table:
    """Ranked trials first, then those without an objective, in the order of their numbers."""
    title = f"{result.objective}; smaller is better"
    if result.version is not None:
        title += f"; the best is {result.version}"
    table = make_table(
        "rank", "trial", *result.space, "seed", "objective", "updates", "state", "time", title=title
    )
    ranks = {number: rank for rank, number in enumerate(result.leaderboard, 1)}
    for trial in sorted(
        result.trials, key=lambda trial: (ranks.get(trial.number, len(ranks) + 1), trial.number)
    ):
        style = "bold" if trial.number == result.best_trial else ""
        table.add_row(*_row(trial, ranks.get(trial.number), result.space), style=style)
    return table


def event_line(event: Event) -> str | None:
    """What a log says of an event; None for those that say nothing new."""
    data = event.data
    if event.type == "job.state":
        return str(data.get("to"))
    if event.type == "trial.started":
        values = ", ".join(
            f"{path} {_short(value)}" for path, value in dict(data.get("values") or {}).items()
        )
        again = f" again, from update {data['resumed_from']}" if data.get("resumed_from") else ""
        return f"trial {data.get('trial')} begins{again}: {values}, seed {data.get('seed')}"
    if event.type in ("trial.completed", "trial.stopped"):
        done, how = (
            f"{data.get('update')}/{data.get('n_updates')} updates",
            event.type.removeprefix("trial."),
        )
        return f"trial {data.get('trial')} {how} after {done}: {_short(data.get('objective'))}"
    if event.type == "trial.failed":
        return f"trial {data.get('trial')} failed: {data.get('error')}"
    if event.type == "version":
        return f"registered {data.get('optimizer')}@{data.get('number')}"
    return None


def _row(trial: StudyTrial, rank: int | None, space: tuple[str, ...]) -> list[str]:
    return [
        "" if rank is None else str(rank),
        str(trial.number),
        *(_short(trial.values.get(path)) for path in space),
        str(trial.seed),
        format_number(trial.objective),
        f"{trial.updates}/{trial.n_updates}",
        trial.state,
        format_duration(trial.seconds),
    ]


def _short(value: Any) -> str:
    if value is None or (isinstance(value, float) and not isinstance(value, bool)):
        return format_number(value)
    return value if isinstance(value, str) else json.dumps(value)
