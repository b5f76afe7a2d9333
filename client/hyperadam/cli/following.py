"""A job on the screen, from its submission to its result."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from hyperadam.cli.common import (
    INTERRUPTED,
    JOB_FAILED,
    NO_ACCESS,
    choose_exit_code,
    echo,
    open_errors,
    open_output,
    print_json,
    report_error,
)
from hyperadam.cli.render import format_duration

if TYPE_CHECKING:
    from hyperadam.api import Client, Event, HyperAdamError, Job


def show_start(job: Job, *, follow: bool, as_json: bool) -> None:
    """Tell of a job that was just submitted, of whichever kind."""
    for note in job.notes:
        open_errors().print(note)
    if as_json:
        print_json(job.raw)
    elif follow:
        open_errors().print(f"submitted {job.id}")
    else:
        echo(job.id)


def finish(client: Client, job: Job, *, as_json: bool, outage_seconds: float) -> None:
    """Show the job until it has ended, then its result; exits with the job's code.

    Args:
        outage_seconds: how long the server may be away.
    """
    with explain_end(job, "job", "jobs follow"):
        events = follow_patiently(client, job, outage_seconds)
        job = _print_events(client, job, events) if as_json else _watch(client, job, events)
    if job.state != "succeeded":
        raise typer.Exit(JOB_FAILED)


def follow_patiently(client: Client, job: Job, outage_seconds: float) -> Generator[Event]:
    """The job's events; outages of the server are waited for, with a note."""

    def tell_outage(error: HyperAdamError) -> None:
        open_errors().print(
            f"{error}\nwaiting up to {format_duration(outage_seconds)} for the server; "
            "the job does not need this command",
            style="dim",
        )

    return client.jobs.follow(job.id, outage_seconds=outage_seconds, on_outage=tell_outage)


@contextmanager
def explain_end(job: Job, noun: str, words: str) -> Iterator[None]:
    """Whoever interrupts what is shown, or has no server to show it, leaves the job at work, and
    reads last how to see it again.

    Args:
        job: what is shown.
        noun: what to call it.
        words: of the command that shows it, before its id.
    """
    again = f"`hyperadam {words} {job.id}` shows it again"
    try:
        yield
    except KeyboardInterrupt:
        open_errors().print(f"the {noun} goes on; {again}")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if choose_exit_code(error) != NO_ACCESS:
            raise
        report_error(error)
        open_errors().print(f"nobody has stopped the {noun}; {again}")
        raise typer.Exit(NO_ACCESS) from error


def show_failure(job: Job) -> None:
    """Say how a job ended that did not succeed, and why."""
    reason = f": {job.error}" if job.error else ""
    open_errors().print(f"{job.id} {job.state}{reason}")


def show_result(client: Client, job: Job) -> None:
    """Print the table that belongs to the job's kind."""
    from hyperadam.api import EvaluationResult, MetaTrainingResult
    from hyperadam.cli.render import make_evaluation_table, make_training_table

    result = client.jobs.result(job.id)
    if isinstance(result, EvaluationResult):
        open_output().print(make_evaluation_table(result))
    elif isinstance(result, MetaTrainingResult):
        open_output().print(make_training_table(result))


def _print_events(client: Client, job: Job, events: Iterable[Event]) -> Job:
    for event in events:
        print_json(event.raw)
    return client.jobs.get(job.id)


def _watch(client: Client, job: Job, events: Generator[Event]) -> Job:
    from hyperadam.cli import watch

    job = watch.follow_job(client, job, events, open_errors())
    if job.state == "succeeded":
        show_result(client, job)
    else:
        show_failure(job)
        open_errors().print(f"`hyperadam jobs logs {job.id}` shows its log", style="dim")
    return job
