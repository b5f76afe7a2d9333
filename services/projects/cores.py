"""How many cores a job makes use of at once."""

from __future__ import annotations

from math import ceil
from typing import Final

from meta_trainer.specs.study import StudySpec
from meta_trainer.tasks.costs import estimate_cost
from meta_trainer.tasks.sizes import Forms
from services.jobs.specs import AnyJobSpec
from services.projects.tables import Project
from services.settings import Settings

IN_PROCESS: Final = "in-process"


def count_cores_of_job(settings: Settings, spec: AnyJobSpec, project: Project, forms: Forms) -> int:
    """Of a study, what its trials are given side by side. A meta-training and an evaluation take as
    many as they can make use of, and no more than the project has.

    Args:
        forms: of the examples of all datasets that the spec names.
    """
    if isinstance(spec, StudySpec):
        trial = ceil(spec.resources.cpus) + spec.resources.workers
        return spec.limits.parallel_trials * trial
    if settings.runner == IN_PROCESS:
        return 1
    n_cores = estimate_cost(spec, forms).n_parallel
    return n_cores if project.max_cores is None else min(n_cores, project.max_cores)
