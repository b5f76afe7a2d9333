"""Every command of both programs, from their own help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer.main
from hyperadam.cli.app import app as client_app

from services.cli import app as server_app

PROGRAMS: Final = {"hyperadam": client_app, "hyperadam-server": server_app}


def render_commands() -> str:
    """A section for each command that can be given."""
    sections = []
    for name, program in PROGRAMS.items():
        sections.append(f"## `{name}`")
        command = typer.main.get_command(program)
        sections += [_render(path, each) for path, each in _walk(name, command)]
    return "\n\n".join(sections)


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Commands that do something, in the order of the help."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield path, command
    for name, each in inner.items():
        if not each.hidden:
            yield from _walk(f"{path} {name}", each)


def _render(path: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    options = [each for each in options if not each.hidden and each.name != "help"]
    usage = " ".join([path, *(_write_argument(each) for each in arguments)])
    lines = [f"### `{path}`", "", f"```text\n{usage}{' [OPTIONS]' if options else ''}\n```", ""]
    lines.append(_tidy(command.help or ""))
    for each in [*arguments, *options]:
        words = (
            ", ".join(f"`{word}`" for word in each.opts) if each in options else f"`{each.name}`"
        )
        help_text = _tidy(getattr(each, "help", None) or "")
        lines.append(f"\n- {words}{': ' + help_text if help_text else ''}")
    return "\n".join(lines)


def _write_argument(argument: Any) -> str:
    word = argument.metavar or argument.name.upper()
    several = f"{word}..." if argument.nargs == -1 else word
    return several if argument.required else f"[{several}]"


def _tidy(text: str) -> str:
    """Paragraphs without the line breaks of a terminal; what looks like HTML is none."""
    paragraphs = [" ".join(part.split()) for part in text.replace("\b", "").split("\n\n")]
    return "\n\n".join(paragraphs).replace("<", "&lt;")
