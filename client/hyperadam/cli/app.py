"""The command's tree: which function answers to which words."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from hyperadam import __version__
from hyperadam.cli import (
    catalog,
    datasets,
    evaluation,
    inspect,
    jobs,
    optimizers,
    projects,
    removals,
    study,
    verification,
)
from hyperadam.cli.common import PROJECT

_EPILOG = (
    "The server is HYPERADAM_URL with the key in HYPERADAM_API_KEY, or one that "
    "`hyperadam-server up` started on this machine. Exit codes: 0 done, 1 the followed job failed "
    "or was cancelled, 2 usage, 3 no access to the server, 4 refused by the server, 130 "
    "interrupted."
)

app = typer.Typer(
    name="hyperadam",
    help="Learned optimizers: submit meta-training jobs, watch them, and pull what they learn.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # [10, 20] in a help text is no markup
)
app.add_typer(jobs.app, name="jobs", help="Submit jobs, watch them, stop them.")
app.add_typer(study.app, name="study", help="Hyperparameter studies: run, watch, change, export.")
app.add_typer(optimizers.alias_app, name="alias", help="Movable names for versions.")
app.add_typer(projects.app, name="projects", help="Teams that share a server.")
app.add_typer(removals.app, name="version", help="Archive, restore and delete versions.")
app.add_typer(datasets.app, name="datasets", help="Data to train on: list, register, delete.")
app.command("pull")(optimizers.pull)
app.command("push")(optimizers.push)
app.command("versions")(optimizers.list_versions)
app.command("verify")(verification.verify)
app.command("compare")(optimizers.compare)
app.command("annotate")(optimizers.annotate)
app.command("evaluate")(evaluation.evaluate)
app.command("inspect")(inspect.inspect)
app.command("presets")(catalog.list_presets)


def main() -> None:
    """Entry point of the command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no Θ shows a question mark, not a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"hyperadam {__version__}")
        raise typer.Exit


@app.callback()
def read_options(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Option(help="The server's address, instead of HYPERADAM_URL.")
    ] = None,
    project: Annotated[
        str | None,
        typer.Option(help="Act in this project, and see it alone, where the key sees several."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    ctx.obj = url
    ctx.meta[PROJECT] = project
