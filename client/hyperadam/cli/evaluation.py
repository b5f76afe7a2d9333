"""`hyperadam evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyperadam.cli.catalog import DryRunOption, show_dry_run
from hyperadam.cli.common import (
    DEFAULT_WAIT,
    Json,
    Wait,
    command,
    connect,
    echo,
    open_errors,
    print_json,
)
from hyperadam.cli.completion import (
    complete_baselines,
    complete_datasets,
    complete_optimizers,
    complete_suites,
)
from hyperadam.cli.following import finish
from hyperadam.cli.results import download_files
from hyperadam.cli.specs import build_spec, parse_seconds


@command
def evaluate(
    ctx: typer.Context,
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME@REF...",
            help="Versions of learned optimizers.",
            autocompletion=complete_optimizers,
        ),
    ],
    suite: Annotated[
        str | None,
        typer.Option(
            help="table1 (default), table2, table3, deep-mlp, cnn-100, longer, unseen, field, "
            "timing, ablation-state, ablation-tricks, ablation-j, or all of them.",
            autocompletion=complete_suites,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The suite's quick size, to see that everything works.")
    ] = False,
    learner: Annotated[
        list[str] | None, typer.Option(help="Only this learner of the suite; may be repeated.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="mnist5k, mnist, fashion_mnist or cifar10.", autocompletion=complete_datasets
        ),
    ] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Steps of a run.")] = None,
    starts: Annotated[
        int | None, typer.Option(min=2, help="Random starts of every optimizer.")
    ] = None,
    tuning_starts: Annotated[
        int | None, typer.Option(min=1, help="Other starts, that rates are tuned on.")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="In place of the suite's own; may be repeated.",
            autocompletion=complete_baselines,
        ),
    ] = None,
    averaging: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Measure an average of a run's newest weights, about 1 / (this + 2) of it old.",
        ),
    ] = None,
    tune_learned: Annotated[
        bool,
        typer.Option(
            "--tune-learned", help="Run them at an α tuned for each task as well, beside Θ's own."
        ),
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="One more field of the spec, such as rate.decay_after=0; may be repeated.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Show it until it has ended.")
    ] = True,
    wait: Wait = DEFAULT_WAIT,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Put the report, curves and JSON into this folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run learned optimizers beside tuned baselines; prints final losses, mean ± standard error."""
    if output is not None and not follow:
        raise typer.BadParameter("needs --follow", param_hint="--output")
    outage_seconds = parse_seconds(wait, "--wait")
    given = {
        "suite": suite,
        "quick": quick or None,
        "learners": learner or None,
        "dataset": dataset,
        "horizon": horizon,
        "n_starts": starts,
        "n_tuning_starts": tuning_starts,
        "baselines": baseline or None,
        "averaging": averaging,
        "tune_learned": tune_learned or None,
        "seed": seed,
    }
    options = {name: value for name, value in given.items() if value is not None}
    spec = build_spec(None, None, values or ()) | options | {"optimizers": references}
    with connect(ctx) as client:
        if dry_run:
            show_dry_run(client.specs.dry_run("evaluation", spec), as_json=as_json)
            return
        job = client.jobs.submit("evaluation", spec)
        if as_json:
            print_json(job.raw)
        elif not follow:
            echo(job.id)
        if follow:
            finish(client, job, as_json=as_json, outage_seconds=outage_seconds)
        if output is not None:
            for path in download_files(client, job.id, output):
                open_errors().print(f"wrote {path}")
