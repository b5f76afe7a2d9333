"""`hyperadam projects …`: the teams that share a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hyperadam.cli.common import Json, UsageProblem, command, connect, echo, print_json

if TYPE_CHECKING:
    from hyperadam.api import Project

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name.")]
Description = Annotated[str | None, typer.Option(help="What it is for.")]


@app.command("list")
@command
def list_projects(ctx: typer.Context, as_json: Json = False) -> None:
    """The projects that the key sees."""
    with connect(ctx) as client:
        projects = list(client.projects.list())
    if as_json:
        print_json([project.raw for project in projects])
        return
    for project in projects:
        _show(project)


@app.command("show")
@command
def show_project(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """One project."""
    with connect(ctx) as client:
        _tell(client.projects.get(name), as_json=as_json)


@app.command("create")
@command
def create_project(
    ctx: typer.Context, name: Name, description: Description = None, as_json: Json = False
) -> None:
    """Make a project (scope admin)."""
    with connect(ctx) as client:
        _tell(client.projects.create(name, description or ""), as_json=as_json)


@app.command("edit")
@command
def edit_project(
    ctx: typer.Context,
    name: Name,
    description: Description = None,
    archived: Annotated[
        bool | None,
        typer.Option("--archive/--open", help="Whether nothing may be added to it."),
    ] = None,
    quotas: Annotated[
        list[str] | None,
        typer.Option(
            "--quota", help="As max_running_jobs=4; without a number: no limit. May be repeated."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a project, archive it, open it again, or change its quotas (scope admin)."""
    limits = _parse_quotas(quotas or [])
    with connect(ctx) as client:
        project = client.projects.edit(
            name, description=description, archived=archived, quotas=limits or None
        )
    _tell(project, as_json=as_json)


def _tell(project: Project, *, as_json: bool) -> None:
    if as_json:
        print_json(project.raw)
    else:
        _show(project)


def _parse_quotas(texts: list[str]) -> dict[str, int | None]:
    limits: dict[str, int | None] = {}
    for text in texts:
        quota, _, number = text.partition("=")
        if number and not number.isdecimal():
            raise UsageProblem(f"--quota {text}: {number!r} is no number")
        limits[quota] = int(number) if number else None
    return limits


def _show(project: Project) -> None:
    archived = ", archived" if project.archived_at is not None else ""
    text = f": {project.description}" if project.description else ""
    echo(f"{project.name}{archived}{text}")
    for quota, used in (project.use or {}).items():
        limit = project.quotas.get(f"max_{quota}")
        echo(f"  {quota}: {used}" + ("" if limit is None else f" of {limit}"))
