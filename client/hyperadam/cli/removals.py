"""`hyperadam version …`: archive, restore and delete versions, and what became of them."""

from __future__ import annotations

from typing import Annotated

import typer

from hyperadam.cli.common import Json, UsageProblem, command, connect, echo, open_output, print_json
from hyperadam.names import split_ref

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="NAME@NUMBER", help="A version by its number.")]
Reason = Annotated[str | None, typer.Option(help="Goes into the history.")]


@app.command("archive")
@command
def archive(
    ctx: typer.Context, reference: Reference, reason: Reason = None, as_json: Json = False
) -> None:
    """Take a version out of lists and from `latest`; whoever names it has it."""
    name, number = _split_number(reference)
    with connect(ctx) as client:
        version = client.optimizers.archive(name, number, reason=reason)
    if as_json:
        print_json(version.raw)
    else:
        echo(f"{version} is archived")


@app.command("restore")
@command
def restore(
    ctx: typer.Context, reference: Reference, reason: Reason = None, as_json: Json = False
) -> None:
    """Bring an archived version back."""
    name, number = _split_number(reference)
    with connect(ctx) as client:
        version = client.optimizers.restore(name, number, reason=reason)
    if as_json:
        print_json(version.raw)
    else:
        echo(f"{version} is back")


@app.command("delete")
@command
def delete(
    ctx: typer.Context,
    reference: Reference,
    reason: Reason = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where other versions were trained from it.")
    ] = False,
) -> None:
    """Delete a version with its file; its number is never given again."""
    name, number = _split_number(reference)
    with connect(ctx) as client:
        client.optimizers.delete(name, number, reason=reason, force=force)
    echo(f"{name}@{number} is deleted")


@app.command("history")
@command
def show_history(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The optimizer.")],
    as_json: Json = False,
) -> None:
    """Show what became of an optimizer's versions."""
    from hyperadam.cli.render import make_version_history_table

    with connect(ctx) as client:
        history = client.optimizers.history(name)
    if as_json:
        print_json(history.raw)
    elif history.items:
        open_output().print(make_version_history_table(history))
    else:
        open_output().print("no version was archived or deleted")


def _split_number(reference: str) -> tuple[str, int]:
    """Name and number; no other name of a version, which may mean another tomorrow."""
    name, ref = split_ref(reference)
    if not ref.isdigit():
        raise UsageProblem(f"name the version by its number, as {name}@3, not {ref!r}")
    return name, int(ref)
