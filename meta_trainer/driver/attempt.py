"""One attempt of one job, from `job.json` to the attempt's last word in `done.json`."""

from __future__ import annotations

import logging
import signal
import traceback
from functools import partial
from typing import Any

from meta_trainer.driver.context import Job, JobContext
from meta_trainer.driver.heartbeat import beating
from meta_trainer.driver.jobs import carry_out_job
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import InProcessRunner, NoRoom, Runner, WorkLost
from meta_trainer.runs import failures
from meta_trainer.runs.run_recorder import RunRecorder
from meta_trainer.stop_signals import Flag
from meta_trainer.training.result import Stopped
from registry import Registry, connect

logger = logging.getLogger("meta_trainer.driver")


def run_attempt(
    registry: Registry,
    run_id: str,
    attempt: int,
    settings: DriverSettings,
    runner: Runner | None = None,
) -> bool:
    """Carry out one attempt; returns whether it ended well (done, or stopped as asked).

    Args:
        runner: None: the one that the settings name.
    """
    with beating(registry, run_id, attempt):
        return _run_attempt(registry, run_id, attempt, settings, runner)


def _run_attempt(
    registry: Registry,
    run_id: str,
    attempt: int,
    settings: DriverSettings,
    runner: Runner | None,
) -> bool:
    recorder = RunRecorder(registry, run_id, attempt)
    stop = Flag()
    previous_handler = _set_on_sigterm(stop)
    try:
        job = Job.from_json(registry.get_artifact(run_id, "job.json"))
        runner = runner or make_runner(settings)
        runner.listen(recorder.event_at_once)
        _set_on_sigterm(stop)  # again: `ray.init` puts a handler of its own there, which exits
        if job.kind != "study":  # its trials are placed one by one
            runner.await_room(stop.is_set)
        context = JobContext(
            registry=registry,
            connect=partial(connect, settings.tracking_uri, settings.artifact_location),
            run_id=run_id,
            recorder=recorder,
            runner=runner,
            data_dir=settings.data_dir,
            cache_dir=settings.cache_dir,
            should_stop=stop.is_set,
        )
        outcome = carry_out_job(job, context)
    except Stopped:
        recorder.done({"outcome": "stopped"})
    except NoRoom as shortage:
        _record_shortage(recorder, str(shortage), was_asked_to_stop=stop.is_set())
    except WorkLost:  # no last word: the machines failed, not the job, so another attempt follows
        logger.exception("attempt %d is lost", attempt)
        recorder.flush()
        return False
    except Exception as error:
        logger.exception("attempt %d failed", attempt)
        _record_failure(recorder, error)
        return False
    else:
        recorder.event("finished", outcome)
        recorder.done({"outcome": "succeeded", **outcome})
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
    return True


def make_runner(settings: DriverSettings) -> Runner:
    """The runner that the settings name.

    Raises:
        WorkLost: its cluster does not answer.
    """
    if settings.runner == "in-process":
        return InProcessRunner()
    from meta_trainer.runners.ray_runner import RayRunner

    return RayRunner.connect(settings.ray_address, max_workers=settings.max_workers)


def _set_on_sigterm(stop: Flag) -> Any:
    """Let SIGTERM set the flag; returns the handler before it."""
    return signal.signal(signal.SIGTERM, lambda *_: stop.set())


def _record_shortage(recorder: RunRecorder, reason: str, *, was_asked_to_stop: bool) -> None:
    """The attempt makes room for other jobs; its own waits."""
    if was_asked_to_stop:
        recorder.done({"outcome": "stopped"})
        return
    recorder.event("waiting", {"reason": reason})
    recorder.done({"outcome": "waiting", "reason": reason})


def _record_failure(recorder: RunRecorder, error: Exception) -> None:
    problem = failures.describe_error(error)
    recorder.event("failed", problem)
    error_record = {**problem, "traceback": traceback.format_exc()}
    recorder.done({"outcome": "failed", "error": error_record})
