"""`hyperadam pull`, `hyperadam versions` and `hyperadam alias …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyperadam.cli.common import Json, command, connect, out, print_json

alias_app = typer.Typer(no_args_is_help=True)

OptimizerName = Annotated[str, typer.Argument(metavar="NAME", help="The optimizer.")]
AliasName = Annotated[str, typer.Argument(metavar="ALIAS")]
Reason = Annotated[str | None, typer.Option(help="Goes into the alias's history.")]


@command
def pull(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="NAME@REF", help="REF: a number, an alias or latest.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the Θ file here.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a Θ into the local cache, and into a file with -o; prints where it is."""
    with connect(ctx) as client:
        theta = client.optimizers.pull(reference)
        path = client.optimizers.cached_file(theta.sha256)
    if output is not None:
        path = output / f"{reference.replace('@', '-')}.safetensors" if output.is_dir() else output
        theta.save(path)
    if as_json:
        print_json({"reference": reference, "sha256": theta.sha256, "path": str(path), "manifest": theta.manifest})
    else:
        typer.echo(path)


@command
def versions(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: an overview of all.")] = None,
    as_json: Json = False,
) -> None:
    """List an optimizer's versions, newest first, or all optimizers."""
    from hyperadam.cli.render import optimizers_table, versions_table

    with connect(ctx) as client:
        if name is None:
            optimizers = list(client.optimizers.list())
            raw, table = [one.raw for one in optimizers], optimizers_table(optimizers)
        else:
            found = list(client.optimizers.versions(name))
            raw, table = [one.raw for one in found], versions_table(found)
    if as_json:
        print_json(raw)
    else:
        out().print(table if raw else "no versions yet; a meta-training job makes one")


@alias_app.command("set")
@command
def set_alias(
    ctx: typer.Context,
    name: OptimizerName,
    alias: AliasName,
    version: Annotated[int, typer.Argument(min=1)],
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Create or move an alias."""
    with connect(ctx) as client:
        found = client.optimizers.set_alias(name, alias, version, reason=reason)
    if as_json:
        print_json(found.raw)
    else:
        typer.echo(f"{name}@{alias} is now {found}")


@alias_app.command("delete")
@command
def delete_alias(ctx: typer.Context, name: OptimizerName, alias: AliasName, reason: Reason = None) -> None:
    """Remove an alias; the version stays."""
    with connect(ctx) as client:
        client.optimizers.delete_alias(name, alias, reason=reason)
    typer.echo(f"{name}@{alias} is gone")


@alias_app.command("list")
@command
def list_aliases(ctx: typer.Context, name: OptimizerName, as_json: Json = False) -> None:
    """Show an optimizer's aliases and their history."""
    from hyperadam.cli.render import aliases_table, history_table

    with connect(ctx) as client:
        aliases = client.optimizers.aliases(name)
    if as_json:
        print_json(aliases.raw)
        return
    out().print(aliases_table(aliases) if aliases.items else "no aliases")
    if aliases.history:
        out().print(history_table(aliases))
