"""What all units of work of a job take, put into its runner once."""

from __future__ import annotations

from typing import NamedTuple, Self

from meta_trainer.runners import Handle, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import TaskSource


class JobHandles(NamedTuple):
    """A job's spec and the source of its tasks, as a runner holds them."""

    spec: Handle
    source: Handle
    kernel: str | None
    """What workers must have (`meta_trainer.training.kernel`); None: any."""

    @classmethod
    def put(
        cls, runner: Runner, spec: MetaTrainingSpec, source: TaskSource, kernel: str | None
    ) -> Self:
        demanded = None if spec.kernel == "any" else kernel
        return cls(spec=runner.put(spec), source=runner.put(source), kernel=demanded)
