"""A study as a job of the driver."""

from __future__ import annotations

from typing import Any

from meta_trainer.driver.context import Job, JobContext
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.study import Study


def carry_out_study(job: Job, context: JobContext) -> dict[str, Any]:
    """Run the study to its end; returns the version of its best Θ.

    Raises:
        Stopped: as asked, after checkpoints of the trials under way.
        StudyFailed: too many trials failed, or none gave a finite objective.
    """
    study = Study(
        spec=StudySpec.model_validate(job.spec),
        job_id=job.job_id,
        title=job.name or "Study",
        registry=context.registry,
        connect=context.connect,
        run_id=context.run_id,
        recorder=context.recorder,
        data_dir=context.data_dir,
        cache_dir=context.cache_dir,
        should_stop=context.should_stop,
        original_run_id=job.original_run_id,
    )
    return study.carry_out()
