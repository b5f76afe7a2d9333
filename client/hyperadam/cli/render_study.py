"""A study for people: its leaderboard, and its events as lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hyperadam.cli.render import format_duration, format_number, make_table

if TYPE_CHECKING:
    from hyperadam.api import Event, StudyResult, StudyTrial
    from hyperadam.cli.tables import FittedTable


def make_study_table(result: StudyResult) -> FittedTable:
    """Ranked trials first, then those without an objective, in the order of their numbers."""
    from hyperadam.cli.tables import whole

    title = f"{result.objective}; smaller is better"
    if result.version is not None:
        title += f"; the best is {result.version}"
    table = make_table(
        whole("rank"),
        whole("trial"),
        whole("objective"),
        *shorten_paths(result.space),
        whole("state", rank=1),
        whole("updates", rank=2),
        whole("seed", rank=3),
        whole("time", rank=4),
        title=title,
    )
    ranks = {number: rank for rank, number in enumerate(result.leaderboard, 1)}
    last_rank = len(ranks) + 1

    def place(trial: StudyTrial) -> tuple[int, int]:
        return ranks.get(trial.number, last_rank), trial.number

    for trial in sorted(result.trials, key=place):
        cells = _make_row(trial, ranks.get(trial.number), result.space)
        style = "bold" if trial.number == result.best_trial else ""
        table.add_row(*cells, style=style)
    return table


def shorten_paths(paths: Sequence[str]) -> list[str]:
    """The last parts of dotted paths, as long as they tell the paths apart."""
    last_parts = [path.rpartition(".")[2] for path in paths]
    is_clear = len(set(last_parts)) == len(paths)
    return last_parts if is_clear else list(paths)


def format_event(event: Event) -> str | None:
    """What a log says of an event; None for those that say nothing new."""
    data = event.data
    if event.type == "job.state":
        return str(data.get("to"))
    if event.type == "trial.started":
        return _format_start(data)
    if event.type in ("trial.completed", "trial.stopped"):
        end = event.type.removeprefix("trial.")
        updates = f"{data.get('update')}/{data.get('n_updates')} updates"
        objective = _format_value(data.get("objective"))
        return f"trial {data.get('trial')} {end} after {updates}: {objective}"
    if event.type == "trial.failed":
        return f"trial {data.get('trial')} failed: {data.get('error')}"
    if event.type == "version":
        return f"registered {data.get('optimizer')}@{data.get('number')}"
    return None


def _format_start(data: Mapping[str, Any]) -> str:
    values = dict(data.get("values") or {})
    choices = ", ".join(f"{path} {_format_value(value)}" for path, value in values.items())
    resumed_from = data.get("resumed_from")
    again = f" again, from update {resumed_from}" if resumed_from else ""
    return f"trial {data.get('trial')} begins{again}: {choices}, seed {data.get('seed')}"


def _make_row(trial: StudyTrial, rank: int | None, space: tuple[str, ...]) -> list[str]:
    return [
        "" if rank is None else str(rank),
        str(trial.number),
        format_number(trial.objective),
        *(_format_value(trial.values.get(path)) for path in space),
        trial.state,
        f"{trial.updates}/{trial.n_updates}",
        str(trial.seed),
        format_duration(trial.seconds),
    ]


def _format_value(value: Any) -> str:
    if value is None or isinstance(value, float):
        return format_number(value)
    return value if isinstance(value, str) else json.dumps(value)
