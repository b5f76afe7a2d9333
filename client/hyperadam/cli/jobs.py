"""`hyperadam jobs …`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hyperadam.cli.catalog import DryRunOption, show_dry_run
from hyperadam.cli.common import (
    DEFAULT_WAIT,
    JobId,
    Json,
    Wait,
    command,
    connect,
    echo,
    open_output,
    print_json,
)
from hyperadam.cli.completion import complete_presets
from hyperadam.cli.following import finish, show_result, show_start
from hyperadam.cli.results import download_files
from hyperadam.cli.specs import build_spec, parse_labels, parse_moment, parse_past, parse_seconds

if TYPE_CHECKING:
    from hyperadam.api import Client, Job, LogChunk

KINDS: Final = ("meta-training", "evaluation", "study")
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
        help="The job fails if it has not ended by then: "
        "from now (2h, 30m) or a moment with its zone."
    ),
]
Follow = Annotated[bool, typer.Option("--follow", help="Show it until it has ended.")]

app = typer.Typer(no_args_is_help=True)


@app.command()
@command
def submit(
    ctx: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            help="meta-training, evaluation or study.", autocompletion=lambda: list(KINDS)
        ),
    ] = "meta-training",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="The spec, as JSON; - is standard input.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Where the spec begins: `hyperadam presets` lists them.",
            autocompletion=complete_presets,
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
    webhook: Annotated[
        str | None, typer.Option(help="URL that is told of its end; the operator allows hosts.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", help="A repeat with the same key gives the same job."),
    ] = None,
    dry_run: DryRunOption = False,
    follow: Follow = False,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Submit a job. Prints its id; with --follow, its exit code is the job's."""
    if kind.endswith(".json"):
        raise typer.BadParameter(f"a file is given with -f: -f {kind}", param_hint="KIND")
    spec = build_spec(file, preset, values or [])
    outage_seconds = parse_seconds(wait, "--wait")
    with connect(ctx) as client:
        if dry_run:
            show_dry_run(client.specs.dry_run(kind, spec), as_json=as_json)
            return
        job = client.jobs.submit(
            kind,
            spec,
            name=name,
            labels=parse_labels(labels or []),
            priority=priority,
            deadline=parse_moment(deadline, "--deadline"),
            webhook=webhook,
            idempotency_key=key,
        )
        show_start(job, follow=follow, as_json=as_json)
        if follow:
            finish(client, job, as_json=as_json, outage_seconds=outage_seconds)


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
    dry_run: DryRunOption = False,
    follow: Follow = False,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Submit a job like another one, with changes. Prints its id."""
    patch = build_spec(file, None, values or [])
    outage_seconds = parse_seconds(wait, "--wait")
    with connect(ctx) as client:
        if dry_run:
            show_dry_run(client.specs.dry_run_clone(job_id, patch), as_json=as_json)
            return
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
            finish(client, job, as_json=as_json, outage_seconds=outage_seconds)


@app.command("list")
@command
def list_jobs(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    label: Annotated[str | None, typer.Option(help="Only with this label, name=value.")] = None,
    name: Annotated[str | None, typer.Option(help="Only with this in its name.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only of the key with this name.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only those of this time (2h, 7d), or since this moment.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only older ones (2h, 7d), or before this moment.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    from hyperadam.cli.render import make_jobs_table

    pair = label.replace("=", ":", 1) if label else None
    with connect(ctx) as client:
        chosen = client.jobs.list(
            kind=kind,
            state=state,
            label=pair,
            name=name,
            actor=actor,
            created_after=parse_past(since, "--since"),
            created_before=parse_past(until, "--until"),
            limit=limit,
        )
        jobs = list(chosen)

    if as_json:
        print_json([job.raw for job in jobs])
    elif jobs:
        open_output().print(make_jobs_table(jobs))
    else:
        open_output().print("no jobs")


@app.command()
@command
def show(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Show one job, with its result if there is one."""
    with connect(ctx) as client:
        job = client.jobs.get(job_id)
        if as_json:
            print_json(job.raw)
            return
        from hyperadam.cli.render import make_job_table

        open_output().print(make_job_table(job))
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
        paths = [str(path) for path in download_files(client, job_id, output)]
    if as_json:
        print_json(paths)
    else:
        echo("\n".join(paths))


@app.command()
@command
def follow(
    ctx: typer.Context, job_id: JobId, wait: Wait = DEFAULT_WAIT, as_json: Json = False
) -> None:
    """Show a job until it has ended; the exit code is the job's. With --json, one event a line."""
    outage_seconds = parse_seconds(wait, "--wait")
    with connect(ctx) as client:
        job = client.jobs.get(job_id)
        finish(client, job, as_json=as_json, outage_seconds=outage_seconds)


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
        pairs = parse_labels(labels) or {}
        changes["labels"] = {label: text or None for label, text in pairs.items()}
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
    echo(f"{job_id} deleted")


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
            is_last_round = not follow or client.jobs.get(job_id).ended
            for chunk in _read_log(client, job_id, position):
                position = chunk.next
                if as_json:
                    print_json(chunk.raw)
                else:
                    echo(chunk.text, newline=False)
            if is_last_round:
                return
            time.sleep(LOG_POLL_SECONDS)


def _read_log(client: Client, job_id: str, position: int) -> Iterator[LogChunk]:
    """The log from a byte on, piece by piece, as far as there is one."""
    while True:
        chunk = client.jobs.logs(job_id, after=position)
        if not chunk.text:
            return
        yield chunk
        position = chunk.next


def _print_state(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(job.raw)
    else:
        echo(f"{job.id} {job.state}")
