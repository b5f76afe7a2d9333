"""The executor that the settings name. (A local Ray cluster is `services.embedded`'s matter.)"""

from __future__ import annotations

from services.executors.contract import Executor
from services.executors.process import ProcessExecutor
from services.settings import Settings


def make_executor(settings: Settings) -> Executor:
    if settings.executor == "process":
        return ProcessExecutor(settings.home / "processes")
    from services.executors.ray_jobs import RayJobsExecutor  # Ray takes a second to import

    return RayJobsExecutor(
        lambda: settings.ray_address, grace_seconds=settings.cancel_grace_seconds
    )
