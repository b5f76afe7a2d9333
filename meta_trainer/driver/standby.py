"""A driver that is ready before its job is: `python -m meta_trainer.driver.standby FOLDER`.

A driver takes seconds to import its libraries, to join its cluster, and to have every worker import
them too. This one does all that first, and trains a little to try it; then it waits in FOLDER for
an order (`meta_trainer.driver.standby_orders`) and carries it out like any driver. It ends when
whoever keeps it ready has given no sign of life for a while.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from torch import Tensor

from meta_trainer.driver import standby_orders
from meta_trainer.driver.attempt import make_runner
from meta_trainer.driver.main import configure_logs, run_to_exit_status
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import SpecTaskSource, TaskSource, load_data
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import run_period, run_validation
from registry import connect

logger = logging.getLogger("meta_trainer.driver.standby")

SILENCE_SECONDS: Final = 60.0
"""Without a sign of life; then nobody will give an order."""
LOOK_SECONDS: Final = 0.05
REHEARSAL: Final[dict[str, Any]] = {
    "preset": "quick",
    "n_learners": 1,
    "unroll": {"horizon": 4, "period": 2},
    "validation": {"n_learners": 1},
}


def warm_up(runner: Runner, data_dir: str | None) -> None:
    """Train a little on every worker, so that all are there with everything that they need."""
    spec = MetaTrainingSpec.model_validate(REHEARSAL)
    source = SpecTaskSource(load_data(spec.data_tasks, data_dir))
    inputs = [runner.put(value) for value in (spec, source, make_initial_theta(spec))]
    calls = [runner.call(rehearse, *inputs)[0] for _ in range(runner.n_workers)]
    runner.get(calls)


def rehearse(spec: MetaTrainingSpec, source: TaskSource, theta: Tensor) -> float:
    """What workers do in a meta-training, in small."""
    outcome, _ = run_period(spec, source, theta, episode=0, chunk=0, state=None)
    run_validation(spec, source, theta, task=0, first=0, last=1)
    return float(outcome.losses.mean())


def wait_for_order(folder: Path, silence_seconds: float = SILENCE_SECONDS) -> standby_orders.Order:
    """The order that is given in this folder; `NOTHING` when nobody is left to give one."""
    alive = folder.parent / standby_orders.ALIVE
    while True:
        order = standby_orders.read_order(folder)
        if order is not None:
            return order
        silence = time.time() - alive.stat().st_mtime
        if silence > silence_seconds:
            standby_orders.give_order(folder, standby_orders.NOTHING)  # or one was given just now
        time.sleep(LOOK_SECONDS)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(folder: Annotated[Path, typer.Argument(help="Where the order will be.")]) -> None:
    """Get ready to carry out an attempt of any job, and wait for one."""
    configure_logs()
    settings = DriverSettings.from_environment(os.environ)
    registry = connect(settings.tracking_uri, settings.artifact_location)
    runner = make_runner(settings)
    warm_up(runner, settings.data_dir)
    (folder / standby_orders.READY).touch()
    logger.info("ready")
    order = wait_for_order(folder)
    if order != standby_orders.NOTHING:
        status = run_to_exit_status(registry, order.run_id, order.attempt, settings, runner)
        raise typer.Exit(status)


if __name__ == "__main__":
    app()
