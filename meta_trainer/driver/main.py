"""The process that carries out one attempt of one job: `python -m meta_trainer.driver --run-id RUN
--attempt K`.

It knows nothing of the service. What to do stands in the run's `job.json`; what it did, it leaves
in the run (see docs/runs.md). SIGTERM asks it to leave a checkpoint and stop; it may be
killed at any moment and begun again.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import Runner
from registry import Registry, connect

logger = logging.getLogger("meta_trainer.driver")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    run_id: Annotated[str, typer.Option(help="The job's run in the registry.")],
    attempt: Annotated[int, typer.Option(min=1, help="The number of this attempt.")],
) -> None:
    """Carry out one attempt of a job."""
    configure_logs()
    settings = DriverSettings.from_environment(os.environ)
    registry = connect(settings.tracking_uri, settings.artifact_location)
    raise typer.Exit(run_to_exit_status(registry, run_id, attempt, settings))


def configure_logs() -> None:
    """To standard output, which the executor keeps."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stdout,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


def run_to_exit_status(
    registry: Registry,
    run_id: str,
    attempt: int,
    settings: DriverSettings,
    runner: Runner | None = None,
) -> int:
    """Carry out one attempt, and log that; returns the status to exit with."""
    logger.info("attempt %d of run %s begins", attempt, run_id)
    ended_well = run_attempt(registry, run_id, attempt, settings, runner)
    logger.info("attempt %d of run %s ends", attempt, run_id)
    return 0 if ended_well else 1
