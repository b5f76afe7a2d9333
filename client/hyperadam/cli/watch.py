"""A job, live: a small screen on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hyperadam.cli.render import format_duration, format_number, format_state

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
        self.notes = []
        take_in = self._handlers.get(event.type)
        if take_in is not None:
            take_in(self, event.data)

    def _change_state(self, data: Mapping[str, Any]) -> None:
        self.state = str(data.get("to", self.state))
        self.notes = [self.state]

    def _end(self, data: Mapping[str, Any]) -> None:
        self.state = str(data.get("state", self.state))

    def _start(self, data: Mapping[str, Any]) -> None:
        self.total = _read_count(data, "n_updates", self.total)
        self.done = _read_count(data, "resumed_from", 0)
        if self.done:
            self.notes = [f"resumed from update {self.done}"]

    def _progress(self, data: Mapping[str, Any]) -> None:
        self.done = _read_count(data, "update", self.done)
        self.total = _read_count(data, "n_updates", self.total)
        self.meta_loss = _read_number(data, "meta_loss")
        self.eta_seconds = _read_number(data, "eta_seconds")

    def _validate(self, data: Mapping[str, Any]) -> None:
        update = _read_count(data, "update", self.done)
        loss = _read_number(data, "loss")
        is_best = bool(data.get("best"))
        self.validation_loss = loss
        if is_best and loss is not None:
            self.best = (loss, update)
        mark = " (best)" if is_best else ""
        self.notes = [f"validation {format_number(loss)} at update {update}{mark}"]

    def _finish_cell(self, data: Mapping[str, Any]) -> None:
        self.done = _read_count(data, "done", self.done)
        self.total = _read_count(data, "total", self.total)
        self.label = str(data.get("label", ""))

    def _register(self, data: Mapping[str, Any]) -> None:
        self.version = f"{data.get('optimizer')}@{data.get('number')}"
        self.notes = [f"registered {self.version}"]

    def _promote(self, data: Mapping[str, Any]) -> None:
        is_promoted = bool(data.get("promoted"))
        verdict = "now points at the new version" if is_promoted else "stays where it is"
        self.notes = [f"alias {data.get('alias')} {verdict}: {data.get('why')}"]

    _handlers: ClassVar[Mapping[str, Callable[[JobView, Mapping[str, Any]], None]]] = {
        "job.state": _change_state,
        "job.ended": _end,
        "started": _start,
        "progress": _progress,
        "validation": _validate,
        "cell": _finish_cell,
        "version": _register,
        "promotion": _promote,
    }

    @property
    def fraction(self) -> float:
        """The part of the work that is done."""
        if self.state == "succeeded":
            return 1.0
        if not self.total:
            return 0.0
        return min(1.0, self.done / self.total)

    def describe_progress(self) -> list[str]:
        """Progress in words."""
        parts: list[str] = []
        if self.total:
            parts.append(f"{self.done}/{self.total}")
        if self.label:
            parts.append(self.label)
        if self.meta_loss is not None:
            parts.append(f"meta-loss {format_number(self.meta_loss)}")
        if self.validation_loss is not None:
            parts.append(f"validation {format_number(self.validation_loss)}")
        if self.best is not None:
            loss, update = self.best
            parts.append(f"best {format_number(loss)} at {update}")
        if self.eta_seconds is not None and self.state == "running":
            parts.append(f"{format_duration(self.eta_seconds)} left")
        return parts


def follow_job(client: Client, job: Job, following: Generator[Event], console: Console) -> Job:
    """Show the job by its events until it has ended; returns it as it then is."""
    view = JobView(f"{job.kind} {job.name or job.id}", job.state)
    with closing(following) as events:
        if console.is_terminal:
            _follow_live(view, events, console)
        else:
            _follow_plain(view, events, console)
    return client.jobs.get(job.id)


def _follow_live(view: JobView, events: Iterable[Event], console: Console) -> None:
    from rich.live import Live

    def draw() -> RenderableType:
        return _make_screen(view)

    with Live(console=console, get_renderable=draw, refresh_per_second=8) as live:
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
        if view.notes or view.state != "running":
            continue

        progress = " · ".join(view.describe_progress())
        is_due = time.monotonic() - last >= PLAIN_SECONDS
        if progress and is_due:
            console.print(f"{view.title}: {progress}")
            last = time.monotonic()


def _make_screen(view: JobView) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    is_unknown = not view.total and view.state == "running"
    bar = ProgressBar(total=1.0, completed=view.fraction, width=32, pulse=is_unknown)
    title = Text(view.title, style="bold")
    percent = Text(f"{view.fraction:4.0%}")
    progress = Text("  " + " · ".join(view.describe_progress()), style="dim")

    first_row = Table.grid(padding=(0, 2))
    first_row.add_row(title, format_state(view.state), bar, percent)
    rows = Table.grid()
    rows.add_row(first_row)
    rows.add_row(progress)
    return rows


def _read_count(data: Mapping[str, Any], name: str, default: int) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else default


def _read_number(data: Mapping[str, Any], name: str) -> float | None:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
