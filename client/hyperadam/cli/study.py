"""`hyperadam study …`: hyperparameter studies, ready ones and one's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyperadam.cli import jobs
from hyperadam.cli.catalog import DryRunOption, show_dry_run
from hyperadam.cli.common import (
    DEFAULT_WAIT,
    JOB_FAILED,
    JobId,
    Json,
    UsageProblem,
    Wait,
    command,
    connect,
    echo,
    open_errors,
    open_output,
    print_json,
)
from hyperadam.cli.completion import complete_studies
from hyperadam.cli.following import explain_end, follow_patiently, show_failure, show_start
from hyperadam.cli.results import download_files
from hyperadam.cli.specs import build_spec, parse_json, parse_seconds

if TYPE_CHECKING:
    from hyperadam.api import Client, Event, Job, StudyControl

app = typer.Typer(no_args_is_help=True)
app.command("pause")(jobs.pause)
app.command("resume")(jobs.resume)
app.command("cancel")(jobs.cancel)

Folder = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Put the report, pictures, CSV and JSON into this folder."),
]
Trials = Annotated[
    int | None, typer.Option(min=1, help="Meta-trainings in all, every seed counted.")
]
Parallel = Annotated[int | None, typer.Option(min=1, help="Trials side by side.")]


@app.command()
@command
def run(
    ctx: typer.Context,
    preset: Annotated[
        str | None,
        typer.Argument(
            help="A ready study: rates, ablation-j, ablation-state or ablation-tricks.",
            autocompletion=complete_studies,
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The ready study at full size, which needs MNIST.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="The spec, as JSON; - is standard input.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A field of the spec, as in base.n_episodes=20 (JSON)."),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            help='What to vary, as in unroll.period=\'{"kind": "choice", "options": [10, 20]}\'.'
        ),
    ] = None,
    trials: Trials = None,
    parallel: Parallel = None,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    dry_run: DryRunOption = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Show it until it has ended.")
    ] = True,
    wait: Wait = DEFAULT_WAIT,
    output: Folder = None,
    as_json: Json = False,
) -> None:
    """Run a study; shows its leaderboard as it grows."""
    if output is not None and not follow:
        raise typer.BadParameter("needs --follow", param_hint="--output")

    outage_seconds = parse_seconds(wait, "--wait")
    preset_name = f"{preset}-full" if preset and full else preset
    spec = build_spec(file, preset_name, values or [])
    if space:
        spec["space"] = dict(_parse_domain(text) for text in space)
    _set_limits(spec, trials, parallel)

    with connect(ctx) as client:
        if dry_run:
            show_dry_run(client.specs.dry_run("study", spec), as_json=as_json)
            return
        job = client.jobs.submit("study", spec, name=name or preset)
        show_start(job, follow=follow, as_json=as_json)
        if follow:
            _follow(client, job, as_json=as_json, outage_seconds=outage_seconds)
        if output is not None:
            _export(client, job.id, output)


@app.command()
@command
def show(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Show a study's leaderboard as it is now."""
    with connect(ctx) as client:
        result = client.studies.result(job_id)
    if as_json:
        print_json(result.raw)
    else:
        from hyperadam.cli.render_study import make_study_table

        open_output().print(make_study_table(result))


@app.command("follow")
@command
def follow_study(
    ctx: typer.Context, job_id: JobId, wait: Wait = DEFAULT_WAIT, as_json: Json = False
) -> None:
    """Show a study's leaderboard until it has ended; the exit code is the job's. With --json, one
    event a line."""
    outage_seconds = parse_seconds(wait, "--wait")
    with connect(ctx) as client:
        job = client.jobs.get(job_id)
        _follow(client, job, as_json=as_json, outage_seconds=outage_seconds)


@app.command()
@command
def stop(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Begin no further trial: those that run are finished, and the best Θ is registered. (`cancel`
    kills them.)"""
    with connect(ctx) as client:
        _print_control(job_id, client.studies.stop(job_id), as_json)


@app.command()
@command
def extend(
    ctx: typer.Context,
    job_id: JobId,
    trials: Annotated[int, typer.Option(min=1, help="Meta-trainings in all: more than there are.")],
    as_json: Json = False,
) -> None:
    """Go on with a study that has ended: further trials, that know all earlier ones."""
    with connect(ctx) as client:
        job = client.studies.extend(job_id, trials)
    if as_json:
        print_json(job.raw)
    else:
        echo(f"{job.id} {job.state}: up to {trials} trials in all")


@app.command()
@command
def limit(
    ctx: typer.Context,
    job_id: JobId,
    trials: Trials = None,
    parallel: Parallel = None,
    as_json: Json = False,
) -> None:
    """Change how many trials a study has in all, or side by side, while it runs."""
    if trials is None and parallel is None:
        raise UsageProblem("give --trials, --parallel or both")
    with connect(ctx) as client:
        control = client.studies.limit(job_id, trials=trials, parallel_trials=parallel)
        _print_control(job_id, control, as_json)


@app.command()
@command
def register(
    ctx: typer.Context,
    job_id: JobId,
    trial: Annotated[int, typer.Argument(min=0, help="The trial's number.")],
    optimizer: Annotated[str, typer.Argument(help="The name to register its Θ under.")],
    as_json: Json = False,
) -> None:
    """Make the best Θ of any trial a version."""
    with connect(ctx) as client:
        version = client.studies.register(job_id, trial, optimizer)
    if as_json:
        print_json(version.raw)
    else:
        echo(str(version))


@app.command()
@command
def export(
    ctx: typer.Context,
    job_id: JobId,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for report, pictures, CSV and JSON.")
    ],
) -> None:
    """Download everything that a study found out."""
    with connect(ctx) as client:
        _export(client, job_id, output)


def _set_limits(spec: dict[str, Any], trials: int | None, parallel: int | None) -> None:
    """Options of the command line go before what the spec says."""
    options = {"trials": trials, "parallel_trials": parallel}
    limits = {field: value for field, value in options.items() if value is not None}
    if limits:
        spec["limits"] = {**spec.get("limits", {}), **limits}


def _parse_domain(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise UsageProblem(f"--space takes path=domain with the domain as JSON, got {text!r}")
    return path, parse_json(value)


def _follow(client: Client, job: Job, *, as_json: bool, outage_seconds: float) -> None:
    """Show the study until it has ended; exits with the job's code where that is not 0."""
    with explain_end(job, "study", "study follow"):
        events = follow_patiently(client, job, outage_seconds)
        _show_events(client, job, events, as_json=as_json)
        job = client.jobs.get(job.id)
    if job.state != "succeeded":
        show_failure(job)
        raise typer.Exit(JOB_FAILED)
    if not as_json:
        from hyperadam.cli.render_study import make_study_table

        open_output().print(make_study_table(client.studies.result(job.id)))


def _show_events(client: Client, job: Job, events: Iterable[Event], *, as_json: bool) -> None:
    from rich.live import Live

    from hyperadam.cli.render_study import format_event, make_study_table

    console = open_errors()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for event in events:
            line = format_event(event)
            if as_json:
                print_json(event.raw)
            elif line:
                console.print(line)

            if console.is_terminal and event.type == "cell":
                table = make_study_table(client.studies.result(job.id))
                live.update(table, refresh=True)


def _print_control(job_id: str, control: StudyControl, as_json: bool) -> None:
    if as_json:
        print_json(control.raw)
        return

    parts = [job_id]
    if control.trials is not None:
        parts.append(f"trials {control.trials}")
    if control.parallel_trials is not None:
        parts.append(f"parallel trials {control.parallel_trials}")
    if control.stopping:
        parts.append("stopping")
    echo(" · ".join(parts))


def _export(client: Client, job_id: str, folder: Path) -> None:
    for path in download_files(client, job_id, folder):
        open_errors().print(f"wrote {path}")
