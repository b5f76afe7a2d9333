"""A job, live: a small screen on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hyperadam.cli.render import format_duration, format_number, state_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from hyperadam.api import Client, Event, Job

PLAIN_SECONDS: Final = 5.0
"""Least time between two lines about progress where there is no terminal."""


@dataclass
class JobView:
    """What there is to say about a running job, put together from its events."""

    title: str
    state: str
    done: int = 0
    total: int = 0
    label: str = ""
    meta_loss: float | None = None
    eta_seconds: float | None = None
    validation_loss: float | None = None
    best: tuple[float, int] | None = None
    """Lowest validation loss, and the update that had it."""
    version: str = ""
    notes: list[str] = field(default_factory=list)
    """What a log should say about the last event; empty for mere progress."""

    def apply(self, event: Event) -> None:
        """Take in the next event; data that is not as expected is left out."""
        data, self.notes = event.data, []
        if event.type == "job.state":
            self.state = str(data.get("to", self.state))
            self.notes = [self.state]
        elif event.type == "job.ended":
            self.state = str(data.get("state", self.state))
        elif event.type == "started":
            self.total = _count(data, "n_updates", self.total)
            self.done = _count(data, "resumed_from", 0)
            self.notes = [f"resumed from update {self.done}"] if self.done else []
        elif event.type == "progress":
            self.done, self.total = (
                _count(data, "update", self.done),
                _count(data, "n_updates", self.total),
            )
            self.meta_loss, self.eta_seconds = (
                _number(data.get("meta_loss")),
                _number(data.get("eta_seconds")),
            )
        elif event.type == "validation":
            self._validate(
                _number(data.get("loss")), _count(data, "update", self.done), bool(data.get("best"))
            )
        elif event.type == "cell":
            self.done, self.total = (
                _count(data, "done", self.done),
                _count(data, "total", self.total),
            )
            self.label = str(data.get("label", ""))
        elif event.type == "version":
            self.version = f"{data.get('optimizer')}@{data.get('number')}"
            self.notes = [f"registered {self.version}"]
        elif event.type == "promotion":
            verdict = (
                "now points at the new version" if data.get("promoted") else "stays where it is"
            )
            self.notes = [f"alias {data.get('alias')} {verdict}: {data.get('why')}"]

    @property
    def fraction(self) -> float:
        if self.state == "succeeded":
            return 1.0
        return min(1.0, self.done / self.total) if self.total else 0.0

    def facts(self) -> list[str]:
        """Progress in words."""
        shown = [f"{self.done}/{self.total}"] if self.total else []
        if self.label:
            shown.append(self.label)
        if self.meta_loss is not None:
            shown.append(f"meta-loss {format_number(self.meta_loss)}")
        if self.validation_loss is not None:
            shown.append(f"validation {format_number(self.validation_loss)}")
        if self.best is not None:
            shown.append(f"best {format_number(self.best[0])} at {self.best[1]}")
        if self.eta_seconds is not None and self.state == "running":
            shown.append(f"{format_duration(self.eta_seconds)} left")
        return shown

    def _validate(self, loss: float | None, update: int, best: bool) -> None:
        self.validation_loss = loss
        if best and loss is not None:
            self.best = (loss, update)
        self.notes = [
            f"validation {format_number(loss)} at update {update}{' (best)' if best else ''}"
        ]


def follow(client: Client, job: Job, console: Console) -> Job:
    """Show the job until it has ended; returns it as it then is."""
    view = JobView(f"{job.kind} {job.name or job.id}", job.state)
    with closing(client.jobs.follow(job.id)) as events:
        (_follow_live if console.is_terminal else _follow_plain)(view, events, console)
    return client.jobs.get(job.id)


def _follow_live(view: JobView, events: Iterable[Event], console: Console) -> None:
    from rich.live import Live

    with Live(console=console, get_renderable=lambda: _screen(view), refresh_per_second=8) as live:
        for event in events:
            view.apply(event)
            live.refresh()


def _follow_plain(view: JobView, events: Iterable[Event], console: Console) -> None:
    console.print(f"{view.title}: {view.state}")
    last = time.monotonic()
    for event in events:
        view.apply(event)
        for note in view.notes:
            console.print(f"{view.title}: {note}")
        if (
            view.state == "running"
            and not view.notes
            and view.facts()
            and time.monotonic() - last >= PLAIN_SECONDS
        ):
            console.print(f"{view.title}: {' · '.join(view.facts())}")
            last = time.monotonic()


def _screen(view: JobView) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(
        total=1.0,
        completed=view.fraction,
        width=32,
        pulse=not view.total and view.state == "running",
    )
    grid.add_row(
        Text(view.title, style="bold"), state_text(view.state), bar, Text(f"{view.fraction:4.0%}")
    )
    rows = Table.grid()
    rows.add_row(grid)
    rows.add_row(Text("  " + " · ".join(view.facts()), style="dim"))
    return rows


def _count(data: Mapping[str, Any], name: str, default: int) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else default


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
