"""`hyperadam pull`, `push`, `versions`, `compare`, `annotate` and `hyperadam alias …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyperadam.cli.common import Json, UsageProblem, command, connect, echo, open_output, print_json
from hyperadam.cli.completion import complete_optimizers
from hyperadam.names import split_ref

if TYPE_CHECKING:
    from hyperadam.theta import Theta

alias_app = typer.Typer(no_args_is_help=True)

OptimizerName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The optimizer.", autocompletion=complete_optimizers),
]
AliasName = Annotated[str, typer.Argument(metavar="ALIAS")]
Reason = Annotated[str | None, typer.Option(help="Goes into the alias's history.")]


@command
def pull(
    ctx: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME@REF",
            help="REF: a number, an alias or latest.",
            autocompletion=complete_optimizers,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the Θ file here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch a Θ into the local cache, and into a file with -o; prints where it is."""
    theta, path = _pull(ctx, reference)
    if output is not None:
        file_name = f"{reference.replace('@', '-')}.safetensors"
        path = output / file_name if output.is_dir() else output
        theta.save(path)

    if as_json:
        print_json(
            {
                "reference": reference,
                "sha256": theta.sha256,
                "path": str(path),
                "manifest": theta.manifest,
            }
        )
    else:
        echo(path)


def _pull(ctx: typer.Context, reference: str) -> tuple[Theta, Path]:
    """The Θ and its file in the cache; without a server too, if it was pulled before."""
    from hyperadam.api import ConfigurationError
    from hyperadam.api.config import read_url
    from hyperadam.api.offline import open_cache, pull_offline

    try:
        client = connect(ctx)
    except ConfigurationError as error:
        theta = pull_offline(reference, ctx.find_root().obj or read_url(), error)
        if theta is None:
            raise
    else:
        with client:
            theta = client.optimizers.pull(reference)
    return theta, open_cache().locate_file(theta.sha256)


@command
def push(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The optimizer.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="Default: the pretrained Θ of this name, in this package."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Register a Θ file as an optimizer's next version; the very same Θ gives the version that it
    is already."""
    from hyperadam.shipped import pretrained
    from hyperadam.theta import Theta

    try:
        theta = pretrained(name) if file is None else Theta.load(file)
    except ValueError as error:  # a ThetaError, or no pretrained Θ of this name
        message = f"{file}: {error}" if file else f"no FILE is given, and {error}"
        raise UsageProblem(message) from error

    with connect(ctx) as client:
        version = client.optimizers.push(name, theta)
    if as_json:
        print_json(version.raw)
    else:
        echo(version)


@command
def list_versions(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Default: an overview of all.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Those with this tag: name:value, or name.")
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="Those of this kind: hyperadam, hyperadam-tensor, rnnprop or dm."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Those within a bound: validation_loss<=0.3, table1/relu<=0.25."),
    ] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones as well.")] = False,
    as_json: Json = False,
) -> None:
    """List an optimizer's versions, newest first, or all optimizers; options narrow the search
    down."""
    from hyperadam.cli.render import make_optimizers_table, make_versions_table

    search: dict[str, Any] = {"tags": tag or (), "rule": rule, "metrics": metric or ()}
    with connect(ctx) as client:
        if name is None:
            optimizers = list(client.optimizers.list(**search))
            raw = [optimizer.raw for optimizer in optimizers]
            table = make_optimizers_table(optimizers)
        else:
            versions = list(client.optimizers.versions(name, archived=archived, **search))
            raw = [version.raw for version in versions]
            table = make_versions_table(versions)

    if as_json:
        print_json(raw)
    elif raw:
        open_output().print(table)
    elif tag or rule or metric:
        open_output().print("no version is like that")
    else:
        open_output().print("no versions yet; a meta-training job makes one")


@command
def compare(
    ctx: typer.Context,
    left: Annotated[str, typer.Argument(metavar="NAME@REF")],
    right: Annotated[str, typer.Argument(metavar="NAME@REF")],
    as_json: Json = False,
) -> None:
    """Show two versions side by side: where specs and lineages differ, metrics and evaluations."""
    from hyperadam.cli.comparison import make_comparison_tables

    with connect(ctx) as client:
        comparison = client.optimizers.compare(left, right)
    if as_json:
        print_json(comparison.raw)
        return
    for table in make_comparison_tables(comparison):
        open_output().print(table)


@command
def annotate(
    ctx: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="NAME@REF", help="REF: a number, an alias or latest.")
    ],
    description: Annotated[str | None, typer.Option(help="What there is to say about it.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Set a tag: name=value; without =value, remove it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe and tag a version."""
    name, ref = split_ref(reference)
    tags: dict[str, str | None] = {}
    for text in tag or ():
        tag_name, equals, value = text.partition("=")
        tags[tag_name] = value if equals else None

    with connect(ctx) as client:
        version = client.optimizers.annotate(name, ref, description=description, tags=tags)
    if as_json:
        print_json(version.raw)
    else:
        pairs = [f"{tag_name}={value}" for tag_name, value in sorted(version.tags.items())]
        echo(f"{version}: {', '.join(pairs) or 'no tags'}")


@alias_app.command("set")
@command
def set_alias(
    ctx: typer.Context,
    name: OptimizerName,
    alias: AliasName,
    version: Annotated[int, typer.Argument(min=1)],
    reason: Reason = None,
    protect: Annotated[
        bool | None,
        typer.Option(
            "--protect/--unprotect",
            help="From now on only promotion rules move it, or that is over.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create or move an alias."""
    with connect(ctx) as client:
        answer = client.optimizers.set_alias(name, alias, version, reason=reason, protected=protect)
    if as_json:
        print_json(answer.raw)
    else:
        echo(f"{name}@{alias} is now {answer}")


@alias_app.command("delete")
@command
def delete_alias(
    ctx: typer.Context, name: OptimizerName, alias: AliasName, reason: Reason = None
) -> None:
    """Remove an alias; the version stays."""
    with connect(ctx) as client:
        client.optimizers.delete_alias(name, alias, reason=reason)
    echo(f"{name}@{alias} is gone")


@alias_app.command("list")
@command
def list_aliases(ctx: typer.Context, name: OptimizerName, as_json: Json = False) -> None:
    """Show an optimizer's aliases and their history."""
    from hyperadam.cli.render import make_aliases_table, make_history_table

    with connect(ctx) as client:
        aliases = client.optimizers.aliases(name)
    if as_json:
        print_json(aliases.raw)
        return
    open_output().print(make_aliases_table(aliases) if aliases.items else "no aliases")
    if aliases.history:
        open_output().print(make_history_table(aliases))
