"""A job on the screen, from its submission to its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from hyperadam.cli.common import INTERRUPTED, JOB_FAILED, echo, open_errors, open_output, print_json

if TYPE_CHECKING:
    from hyperadam.api import Client, Job


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


def finish(client: Client, job: Job, *, as_json: bool) -> None:
    """Show the job until it has ended, then its result; exits with the job's code."""
    with explain_interrupt(job, "job", "jobs follow"):
        job = _print_events(client, job) if as_json else _watch(client, job)
    if job.state != "succeeded":
        raise typer.Exit(JOB_FAILED)


@contextmanager
def explain_interrupt(job: Job, noun: str, words: str) -> Iterator[None]:
    """Whoever interrupts what is shown leaves the job at work, and reads how to see it again.

    Args:
        job: what is shown.
        noun: what to call it.
        words: of the command that shows it, before its id.
    """
    try:
        yield
    except KeyboardInterrupt:
        open_errors().print(f"the {noun} goes on; `hyperadam {words} {job.id}` shows it again")
        raise typer.Exit(INTERRUPTED) from None


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


def _print_events(client: Client, job: Job) -> Job:
    for event in client.jobs.follow(job.id):
        print_json(event.raw)
    return client.jobs.get(job.id)


def _watch(client: Client, job: Job) -> Job:
    from hyperadam.cli import watch

    job = watch.follow_job(client, job, open_errors())
    if job.state == "succeeded":
        show_result(client, job)
    else:
        show_failure(job)
        open_errors().print(f"`hyperadam jobs logs {job.id}` shows its log", style="dim")
    return job
