"""`hyperadam evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hyperadam.cli.common import Json, UsageProblem, command, connect, err, print_json
from hyperadam.cli.jobs import finish

if TYPE_CHECKING:
    from hyperadam.api import Client


@command
def evaluate(
    ctx: typer.Context,
    references: Annotated[list[str], typer.Argument(metavar="NAME@REF...", help="Versions of learned optimizers.")],
    suite: Annotated[
        str | None,
        typer.Option(
            help="table1 (default), table2, table3, deep-mlp, cnn-100, longer, timing, ablation-state, "
            "ablation-tricks, ablation-j, or all of them."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The suite's quick size, to see that everything works.")
    ] = False,
    dataset: Annotated[str | None, typer.Option(help="mnist5k, mnist, fashion_mnist or cifar10.")] = None,
    starts: Annotated[int | None, typer.Option(min=2, help="Random starts of every optimizer.")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Show it until it has ended.")] = True,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Put the report, curves and JSON into this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run learned optimizers beside tuned baselines; prints final losses, mean ± standard error."""
    if output is not None and not follow:
        raise typer.BadParameter("needs --follow", param_hint="--output")
    given = {"suite": suite, "quick": quick or None, "dataset": dataset, "n_starts": starts, "seed": seed}
    spec = {"optimizers": references} | {name: value for name, value in given.items() if value is not None}
    with connect(ctx) as client:
        job = client.jobs.submit("evaluation", spec)
        if as_json:
            print_json(job.raw)
        elif not follow:
            typer.echo(job.id)
        if follow:
            finish(client, job, as_json=as_json)
        if output is not None:
            for path in download(client, job.id, output):
                err().print(f"wrote {path}")


def download(client: Client, job_id: str, folder: Path) -> list[Path]:
    """Fetch all files of a job's result; returns where they are."""
    paths = {"result.json"} | {artifact.path for artifact in client.jobs.result(job_id).artifacts}
    return [client.jobs.download_result(job_id, path, _folder_of(path, folder)) for path in sorted(paths)]


def _folder_of(path: str, folder: Path) -> Path:
    """Where a file of a result goes: below `folder`, as deep as it lies in the result."""
    target = (folder / path).parent
    if not target.resolve().is_relative_to(folder.resolve()):
        raise UsageProblem(f"the result has a file that would lie outside of {folder}: {path!r}")
    target.mkdir(parents=True, exist_ok=True)
    return target
