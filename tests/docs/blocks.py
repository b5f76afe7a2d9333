"""Blocks of code in the documentation: where they stand, and what can be said of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer.main
from hyperadam.cli.app import app as client_app

from services.cli import app as server_app
from tests.house.project import TOP, read_text
from tests.house.test_docs import PAGES
from tests.house.test_texts import list_make_targets

TEXTS = [*PAGES, TOP / "README.md", TOP / "CONTRIBUTING.md", TOP / "client/README.md"]
LANGUAGES = {"python", "console", "sh", "json", "yaml", "ini", "text", "md"}
NOT_RUN = re.compile(r"<!-- not run: (.{10,}) -->$")

ELSEWHERE = {
    "curl": "tests/services/walk runs the walk of the REST page against a service",
    "jq": "reads what curl answered",
    "docker": "needs Docker",
    "helm": "needs a cluster; tests/deploy renders the chart",
    "jupyter": "opens a browser; tests/services/walk runs the notebooks",
    "kubectl": "needs a cluster",
    "systemctl": "needs systemd",
    "gh": "needs an account elsewhere",
    "twine": "needs an account elsewhere",
    "git": "changes the checkout",
    "tar": "needs files of a service",
    "pg_dump": "needs Postgres with data",
}
"""Programs whose lines are not run, and why; their syntax is checked."""
OF_THE_SHELL = {
    "cat",
    "cd",
    "cp",
    "echo",
    "export",
    "install",
    "mkdir",
    "openssl",
    "python",
    "python3",
    "rm",
    "source",
    "sudo",
    "test",
    "umask",
    "unset",
    "wait",
}
A_JOB = "job_aaaaaaaaaaaaaaaa"
PROGRAMS = {"hyperadam": client_app, "hyperadam-server": server_app}


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    not_run: str
    """Why it cannot run here; empty: it can."""

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(TOP).as_posix()}:{self.line}"


@cache
def list_blocks(page: Path) -> tuple[Block, ...]:
    """In the order of the page."""
    lines = read_text(page).splitlines()
    blocks = []
    begin = None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if begin is None:
            begin = number
            continue
        before = NOT_RUN.match(lines[begin - 1].strip()) if begin else None
        indent = len(lines[begin]) - len(lines[begin].lstrip())
        text = "\n".join(each[indent:] for each in lines[begin + 1 : number])
        language = lines[begin].strip().removeprefix("```")
        blocks.append(Block(page, begin + 1, language, text, before[1] if before else ""))
        begin = None
    return tuple(blocks)


def list_all(*languages: str) -> list[Block]:
    return [block for page in TEXTS for block in list_blocks(page) if block.language in languages]


def list_commands(block: Block) -> Iterator[list[str]]:
    """Words of each command of a block for a shell; outputs are left out where prompts tell."""
    text = block.text.replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    if any(line.startswith("$ ") for line in lines):
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    for line in lines:
        for part in split_line(line):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"[A-Za-z_]\w*=(?!\$\().*", words[0]):
                del words[0]
            if words:
                yield [words[0].rpartition("$(")[2], *words[1:]]


def split_line(line: str) -> list[str]:
    """Commands that stand in one line; what is quoted stays whole."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars=";&|")
    lexer.whitespace_split = True
    parts = [""]
    for word in lexer:
        if set(word) <= set(";&|"):
            parts.append("")
        else:
            parts[-1] += f" {word}"
    return [part for part in parts if part.strip()]


def check_command(words: list[str]) -> None:
    """
    Raises:
        AssertionError: there is no such command, option, target, module or file.
    """
    program = words[0].removeprefix(".venv/bin/")
    if program in PROGRAMS:
        parse(program, words[1:])
    elif program == "make":
        targets = [word for word in words[1:] if "=" not in word]
        assert set(targets) <= list_make_targets(), words
    elif program in ("python", "python3"):
        check_python(words[1:])
    elif program == "pip":
        assert words[1] in ("install", "download"), words
    else:
        assert program in ELSEWHERE or program in OF_THE_SHELL, words


def parse(program: str, arguments: list[str]) -> None:
    """As the program itself would, up to the moment at which it did something."""
    command: Any = typer.main.get_command(PROGRAMS[program])
    arguments = [re.sub(r"^\$?\{?JOB\}?$", A_JOB, each) for each in arguments]
    context = None
    name = program
    while True:
        context = command.make_context(name, list(arguments), parent=context)
        if not hasattr(command, "commands"):
            return
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        name, *arguments = rest
        assert name in command.commands, f"{program} has no command {name}"
        command = command.commands[name]


def check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m" and arguments[1] not in ("venv", "pip", "build"):
        path = TOP / arguments[1].replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), arguments
    elif arguments[0].endswith(".py"):
        assert (TOP / arguments[0]).exists(), arguments
