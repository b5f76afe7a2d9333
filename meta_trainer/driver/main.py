"""The process that carries out one attempt of one job: `python -m meta_trainer.driver --run-id RUN
--attempt K`.

It knows nothing of the service. What to do stands in the run's `job.json`; what it did, it leaves
in the run (see docs/architecture.md). SIGTERM asks it to leave a checkpoint and stop; it may be
killed at any moment and begun again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Self

import typer

from meta_trainer.driver import jobs
from meta_trainer.runners import InProcessRunner, Runner, WorkLost
from meta_trainer.runs import failures
from meta_trainer.runs.run_recorder import RunRecorder
from meta_trainer.training.loop import Stopped
from registry import Registry, connect
from registry.passwords import with_password

logger = logging.getLogger("meta_trainer.driver")


@dataclass(frozen=True, kw_only=True)
class DriverSettings:
    """The environment of a driver; read nowhere else in the meta-trainer."""

    tracking_uri: str
    artifact_location: str = ""
    data_dir: str | None = None
    cache_dir: str | None = None
    runner: str = "ray"
    ray_address: str = ""
    """Ray tells its jobs in RAY_ADDRESS which cluster they are of."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """
        Raises:
            ValueError: a variable is missing or has an unknown value.
        """
        tracking_uri = environment.get("HYPERADAM_TRACKING_URI", "")
        if not tracking_uri:
            raise ValueError("HYPERADAM_TRACKING_URI is not set")
        if password_file := environment.get(_PASSWORD_FILE):
            tracking_uri = with_password(tracking_uri, _read_password(Path(password_file)))
        runner = environment.get("HYPERADAM_RUNNER", "ray")
        if runner not in ("ray", "in-process"):
            raise ValueError(f"HYPERADAM_RUNNER must be ray or in-process, got {runner!r}")
        return cls(
            tracking_uri=tracking_uri,
            artifact_location=environment.get("HYPERADAM_ARTIFACT_LOCATION", ""),
            data_dir=environment.get("HYPERADAM_DATA_DIR") or None,
            cache_dir=environment.get("HYPERADAM_CACHE_DIR") or None,
            runner=runner,
            ray_address=environment.get("RAY_ADDRESS", ""),
        )


_PASSWORD_FILE: Final = "HYPERADAM_TRACKING_PASSWORD_FILE"


def _read_password(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise ValueError(
            f"{_PASSWORD_FILE} names {file}, which cannot be read: {error.strerror}"
        ) from error


def run_attempt(
    registry: Registry,
    run_id: str,
    attempt: int,
    settings: DriverSettings,
    runner: Runner | None = None,
) -> bool:
    """Carry out one attempt; returns whether it ended well (done, or stopped as asked)."""
    recorder = RunRecorder(registry, run_id, attempt)
    stop = threading.Event()
    previous = _on_sigterm(stop)
    try:
        job = jobs.Job.from_json(registry.get_artifact(run_id, "job.json"))
        runner = runner or make_runner(settings)
        runner.listen(recorder.tell)
        _on_sigterm(
            stop
        )  # again: `ray.init` puts a handler of its own there, which ends the process
        context = jobs.Context(
            registry=registry,
            connect=partial(connect, settings.tracking_uri, settings.artifact_location),
            run_id=run_id,
            recorder=recorder,
            runner=runner,
            data_dir=settings.data_dir,
            cache_dir=settings.cache_dir,
            should_stop=stop.is_set,
        )
        outcome = jobs.carry_out(job, context)
    except Stopped:
        recorder.done({"outcome": "stopped"})
    except WorkLost:  # the machines' fault, not the job's: no last word, so that the service begins another attempt
        logger.exception("attempt %d is lost", attempt)
        recorder.flush()
        return False
    except Exception as error:
        logger.exception("attempt %d failed", attempt)
        problem = failures.record(error)
        recorder.event("failed", problem)
        recorder.done(
            {"outcome": "failed", "error": {**problem, "traceback": traceback.format_exc()}}
        )
        return False
    else:
        recorder.event("finished", outcome)
        recorder.done({"outcome": "succeeded", **outcome})
    finally:
        signal.signal(signal.SIGTERM, previous)
    return True


def _on_sigterm(stop: threading.Event) -> Any:
    """Let SIGTERM set the event; returns the handler before it."""
    return signal.signal(signal.SIGTERM, lambda *_: stop.set())


def make_runner(settings: DriverSettings) -> Runner:
    """The runner that the settings name.

    Raises:
        WorkLost: its cluster does not answer.
    """
    if settings.runner == "in-process":
        return InProcessRunner()
    from meta_trainer.runners.ray_runner import RayRunner

    return RayRunner.connect(settings.ray_address)


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
    raise typer.Exit(carry_out(registry, run_id, attempt, settings))


def configure_logs() -> None:
    """To standard output, which the executor keeps."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stdout,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


def carry_out(
    registry: Registry,
    run_id: str,
    attempt: int,
    settings: DriverSettings,
    runner: Runner | None = None,
) -> int:
    """Carry out one attempt, and log that; returns the status to exit with."""
    logger.info("attempt %d of run %s begins", attempt, run_id)
    well = run_attempt(registry, run_id, attempt, settings, runner)
    logger.info("attempt %d of run %s ends", attempt, run_id)
    return 0 if well else 1
