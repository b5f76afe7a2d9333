"""`hyperadam jobs …`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hyperadam.cli.common import (
    INTERRUPTED,
    JOB_FAILED,
    JobId,
    Json,
    command,
    connect,
    err,
    out,
    print_json,
)
from hyperadam.cli.results import download
from hyperadam.cli.specs import build_spec, parse_labels, parse_moment

if TYPE_CHECKING:
    from hyperadam.api import Client, Job

LOG_POLL_SECONDS: Final = 1.0

Priority = Annotated[
    int | None,
    typer.Option(
        min=-100, max=100, help="The highest of the jobs that wait starts first.", show_default="0"
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        help="The job fails if it has not ended by then: from now (2h, 30m) or a moment with its zone."
    ),
]
Follow = Annotated[bool, typer.Option("--follow", help="Show it until it has ended.")]

app = typer.Typer(no_args_is_help=True)


@app.command()
@command
def submit(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(help="meta-training, evaluation or study.")
    ] = "meta-training",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="The spec, as JSON; - is standard input.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Where the spec begins: quick, default, paper, rnnprop-paper or dm-paper."
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A field of the spec, as in unroll.horizon=200 (JSON)."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="name=value; may be repeated.")
    ] = None,
    priority: Priority = None,
    deadline: Deadline = None,
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", help="A repeat with the same key gives the same job."),
    ] = None,
    follow: Follow = False,
    as_json: Json = False,
) -> None:
    """Submit a job. Prints its id; with --follow, its exit code is the job's."""
    spec = build_spec(file, preset, values or [])
    with connect(ctx) as client:
        job = client.jobs.submit(
            kind,
            spec,
            name=name,
            labels=parse_labels(labels or []),
            priority=priority,
            deadline=parse_moment(deadline, "--deadline"),
            idempotency_key=key,
        )
        show_start(job, follow=follow, as_json=as_json)
        if follow:
            finish(client, job, as_json=as_json)


@app.command()
@command
def clone(
    ctx: typer.Context,
    job_id: JobId,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", help="What of the spec is different, as JSON; - is standard input."
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A field that is different, as in seed=7 (JSON; null: its default)."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="name=value, in place of the job's own.")
    ] = None,
    priority: Priority = None,
    deadline: Deadline = None,
    follow: Follow = False,
    as_json: Json = False,
) -> None:
    """Submit a job like another one, with changes. Prints its id."""
    patch = build_spec(file, None, values or [])
    with connect(ctx) as client:
        job = client.jobs.clone(
            job_id,
            patch,
            name=name,
            labels=parse_labels(labels or []),
            priority=priority,
            deadline=parse_moment(deadline, "--deadline"),
        )
        show_start(job, follow=follow, as_json=as_json)
        if follow:
            finish(client, job, as_json=as_json)


def show_start(job: Job, *, follow: bool, as_json: bool) -> None:
    """Tell of a job that was just submitted, of whichever kind."""
    if as_json:
        print_json(job.raw)
    elif follow:
        err().print(f"submitted {job.id}")
    else:
        typer.echo(job.id)


@app.command("list")
@command
def list_jobs(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    label: Annotated[str | None, typer.Option(help="Only with this label, name=value.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    from hyperadam.cli.render import jobs_table

    wanted = label.replace("=", ":", 1) if label else None
    with connect(ctx) as client:
        jobs = list(client.jobs.list(kind=kind, state=state, label=wanted, limit=limit))
    if as_json:
        print_json([job.raw for job in jobs])
    else:
        out().print(jobs_table(jobs) if jobs else "no jobs")


@app.command()
@command
def show(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Show one job, with its result if there is one."""
    with connect(ctx) as client:
        job = client.jobs.get(job_id)
        if as_json:
            print_json(job.raw)
            return
        from hyperadam.cli.render import job_table

        out().print(job_table(job))
        if job.state == "succeeded":
            show_result(client, job)


@app.command("download")
@command
def download_result(
    ctx: typer.Context,
    job_id: JobId,
    output: Annotated[Path, typer.Option("--output", "-o", help="Into this folder.")] = Path(),
    as_json: Json = False,
) -> None:
    """Fetch all files of a job's result: reports, pictures, JSON; prints where they are."""
    with connect(ctx) as client:
        paths = [str(path) for path in download(client, job_id, output)]
    if as_json:
        print_json(paths)
    else:
        typer.echo("\n".join(paths))


@app.command()
@command
def follow(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Show a job until it has ended; the exit code is the job's. With --json, one event a line."""
    with connect(ctx) as client:
        finish(client, client.jobs.get(job_id), as_json=as_json)


@app.command()
@command
def cancel(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Stop a job for good."""
    with connect(ctx) as client:
        _print_state(client.jobs.cancel(job_id), as_json)


@app.command()
@command
def pause(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Stop a job at its next checkpoint."""
    with connect(ctx) as client:
        _print_state(client.jobs.pause(job_id), as_json)


@app.command()
@command
def resume(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Go on with a paused job."""
    with connect(ctx) as client:
        _print_state(client.jobs.resume(job_id), as_json)


@app.command()
@command
def retry(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Go on with a job that failed or was cancelled, from its newest checkpoint."""
    with connect(ctx) as client:
        _print_state(client.jobs.retry(job_id), as_json)


@app.command()
@command
def edit(
    ctx: typer.Context,
    job_id: JobId,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="name=value; name= removes it.")
    ] = None,
    priority: Priority = None,
    deadline: Annotated[str | None, typer.Option(help="As for submit; none lifts it.")] = None,
    as_json: Json = False,
) -> None:
    """Change a job's name, labels, priority or deadline."""
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = name or None
    if labels:
        changes["labels"] = {
            key: text or None for key, text in (parse_labels(labels) or {}).items()
        }
    if priority is not None:
        changes["priority"] = priority
    if deadline is not None:
        changes["deadline"] = None if deadline == "none" else parse_moment(deadline, "--deadline")
    with connect(ctx) as client:
        _print_state(client.jobs.edit(job_id, **changes), as_json)


@app.command()
@command
def delete(ctx: typer.Context, job_id: JobId) -> None:
    """Delete an ended job with its events, log, metrics and files; versions of Θ stay."""
    with connect(ctx) as client:
        client.jobs.delete(job_id)
    typer.echo(f"{job_id} deleted")


@app.command()
@command
def logs(
    ctx: typer.Context,
    job_id: JobId,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the job has ended.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print a job's log. With --json, one piece a line."""
    with connect(ctx) as client:
        position = 0
        while True:
            ended = not follow or client.jobs.get(job_id).ended
            while (chunk := client.jobs.logs(job_id, after=position)).text:
                position = chunk.next
                if as_json:
                    print_json(chunk.raw)
                else:
                    typer.echo(chunk.text, nl=False)
            if ended:
                return
            time.sleep(LOG_POLL_SECONDS)


def finish(client: Client, job: Job, *, as_json: bool) -> None:
    """Show the job until it has ended, then its result; exits with the job's code."""
    with leaving(job, "job", "jobs follow"):
        job = _print_events(client, job) if as_json else _watch(client, job)
    if job.state != "succeeded":
        raise typer.Exit(JOB_FAILED)


@contextmanager
def leaving(job: Job, what: str, again: str) -> Iterator[None]:
    """Whoever interrupts what is shown leaves the job at work; they are told by which command to
    see it again."""
    try:
        yield
    except KeyboardInterrupt:
        err().print(f"the {what} goes on; `hyperadam {again} {job.id}` shows it again")
        raise typer.Exit(INTERRUPTED) from None


def _print_events(client: Client, job: Job) -> Job:
    for event in client.jobs.follow(job.id):
        print_json(event.raw)
    return client.jobs.get(job.id)


def _watch(client: Client, job: Job) -> Job:
    from hyperadam.cli import watch

    job = watch.follow(client, job, err())
    if job.state == "succeeded":
        show_result(client, job)
    else:
        reason = f": {job.error}" if job.error else ""
        err().print(f"{job.id} {job.state}{reason}")
        err().print(f"`hyperadam jobs logs {job.id}` shows its log", style="dim")
    return job


def show_result(client: Client, job: Job) -> None:
    """Print the table that belongs to the job's kind."""
    from hyperadam.api import EvaluationResult, MetaTrainingResult
    from hyperadam.cli.render import evaluation_table, training_table

    result = client.jobs.result(job.id)
    if isinstance(result, EvaluationResult):
        out().print(evaluation_table(result))
    elif isinstance(result, MetaTrainingResult):
        out().print(training_table(result))


def _print_state(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(job.raw)
    else:
        typer.echo(f"{job.id} {job.state}")
