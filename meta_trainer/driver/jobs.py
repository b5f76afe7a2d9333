"""Jobs by kind. Each kind has a file of its own, which is imported only for a job of that kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meta_trainer.driver.context import Job, JobContext


def carry_out_job(job: Job, context: JobContext) -> dict[str, Any]:
    """Do the job; returns what its `done.json` says beyond the outcome.

    Raises:
        ValueError: no job is of this kind, or the spec is wrong.
        Stopped: as asked, after a checkpoint.
    """
    if job.kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {job.kind!r}")
    carry_out = _KINDS[job.kind]
    return carry_out(job, context)


def _carry_out_meta_training(job: Job, context: JobContext) -> dict[str, Any]:
    from meta_trainer.driver.meta_training import carry_out_meta_training

    return carry_out_meta_training(job, context)


def _carry_out_evaluation(job: Job, context: JobContext) -> dict[str, Any]:
    from meta_trainer.driver.evaluation import carry_out_evaluation

    return carry_out_evaluation(job, context)


def _carry_out_study(job: Job, context: JobContext) -> dict[str, Any]:
    from meta_trainer.driver.study import carry_out_study

    return carry_out_study(job, context)


_KINDS: Final[dict[str, Callable[[Job, JobContext], dict[str, Any]]]] = {
    "meta-training": _carry_out_meta_training,
    "evaluation": _carry_out_evaluation,
    "study": _carry_out_study,
}
