"""`hyperadam datasets …`: what learners are trained on, and registering one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hyperadam.cli.common import Json, command, connect, echo, open_output, print_json
from hyperadam.cli.completion import complete_datasets

if TYPE_CHECKING:
    from hyperadam.api import Dataset

app = typer.Typer(invoke_without_command=True)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="What specs call it.", autocompletion=complete_datasets),
]


@app.callback()
def choose(ctx: typer.Context, as_json: Json = False) -> None:
    """List the datasets, or register, show or delete one."""
    if ctx.invoked_subcommand is None:
        list_datasets(ctx, as_json)


@app.command("list")
@command
def list_datasets(ctx: typer.Context, as_json: Json = False) -> None:
    """List the datasets that a spec may name, and how to get those that are not there."""
    from hyperadam.cli.render import make_datasets_table

    with connect(ctx) as client:
        datasets = list(client.datasets.list())
    if as_json:
        print_json([dataset.raw for dataset in datasets])
        return
    output = open_output()
    output.print(make_datasets_table(datasets))
    for dataset in datasets:
        if dataset.how_to_get and dataset.available is not True:
            output.print(dataset.how_to_get)


@app.command("register")
@command
def register(
    ctx: typer.Context,
    name: Name,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="npz or safetensors with the arrays inputs and targets, and test_inputs and "
            "test_targets if there is a test split.",
        ),
    ],
    title: Annotated[str, typer.Option(help="What it is, for people.")] = "",
    as_json: Json = False,
) -> None:
    """Register a file as a dataset; it never changes. The same file once more changes nothing."""
    with connect(ctx) as client:
        dataset = client.datasets.register(name, file, title=title)
    _show(dataset, as_json=as_json)


@app.command("show")
@command
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show one dataset."""
    with connect(ctx) as client:
        dataset = client.datasets.get(name)
    _show(dataset, as_json=as_json)


@app.command("delete")
@command
def delete(ctx: typer.Context, name: Name) -> None:
    """Delete a dataset with its file; refused while a job that has not ended needs it."""
    with connect(ctx) as client:
        client.datasets.delete(name)
    echo(f"{name} is deleted")


def _show(dataset: Dataset, *, as_json: bool) -> None:
    if as_json:
        print_json(dataset.raw)
        return
    examples = ", ".join(f"{n:,} {split}" for split, n in dataset.n_examples.items())
    unit = "classes" if dataset.targets == "labels" else "numbers to predict"
    lines = [
        f"{dataset.name}: {dataset.title}" if dataset.title else dataset.name,
        f"examples  {examples}, each {'×'.join(map(str, dataset.shape))}",
        f"targets   {dataset.n_classes} {unit}",
    ]
    if dataset.registered is not None:
        lines += [
            f"file      {dataset.registered.n_bytes:,} bytes, sha256 {dataset.registered.sha256}",
            f"owner     {dataset.registered.owner}",
            f"used      {dataset.registered.used_at:%Y-%m-%d %H:%M}",
        ]
    if dataset.how_to_get is not None and dataset.available is not True:
        lines.append(dataset.how_to_get)
    echo("\n".join(lines))
