"""What `hyperadam-server up` says when it is ready: where it is, and what it uses."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.text import Text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from services.settings import Settings, default_home


def greet(console: Console, url: str, settings: Settings) -> None:
    """The address, and each thing in use."""
    ready = Text("HyperAdam is ready at ", style="bold")
    ready.append(url, style=Style(bold=True, link=url))  # no markup: an IPv6 address has brackets
    ready.append(f" (dashboard; REST API: {url}/docs)", style="not bold")
    console.print(ready, soft_wrap=True)
    for name, value in {
        "home": str(settings.home),
        "jobs": hide_password(settings.database_url),
        "registry": hide_password(settings.tracking_uri),
        "Ray": _describe_ray(settings),
    }.items():
        _say(console, f"  {name:<9}{value}")
    if settings.home != default_home():
        place = shlex.quote(str(settings.home))
        _say(console, f"  Other terminals find it by  export HYPERADAM_HOME={place}")
    _say(
        console,
        "  Stop it with Ctrl-C: running jobs leave a checkpoint and go on at the next start.",
    )


def show_key(console: Console, file: Path, key: str | None) -> None:
    """A key that was made just now: itself on a terminal, else only where it is."""
    if key is None:
        return
    place = f"kept in {file}, where the command `hyperadam` finds it"
    if console.is_terminal:
        _say(console, f"  API key  {key}")
        _say(console, f"           shown once; {place}")
    else:
        _say(console, f"  API key  {place}")


def show_ignored(console: Console, names: Sequence[str]) -> None:
    """Variables of other programs, which this command does not obey."""
    for name in names:
        base = name.removesuffix("_FILE")
        ours = "HYPERADAM_" + base.removeprefix("MLFLOW_") + name.removeprefix(base)
        _say(console, f"  {name} is set, but not used: {ours} is what this command obeys")


def hide_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def _describe_ray(settings: Settings) -> str:
    if settings.executor == "process":
        return "none: plain processes"
    return settings.ray_address or "a local one"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
