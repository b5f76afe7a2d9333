"""What a study's `warm_start` refers to, checked on submission."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.warm_start import list_known
from services.auth.scopes import Principal
from services.container import Container
from services.jobs import queries
from services.jobs.lifecycle import ENDED, State
from services.jobs.specs import AnyJobSpec
from services.jobs.tables import Job
from services.problems import invalid

_FIELD: Final = "spec.warm_start"


def check_warm_start(services: Container, spec: AnyJobSpec, principal: Principal) -> None:
    """
    Raises:
        Problem: 422 naming the field: there is no such study, it has not ended, its objective is
            another, or it has no point to learn from.
    """
    if not isinstance(spec, StudySpec) or spec.warm_start is None:
        return
    job_id = spec.warm_start
    with services.database.read() as session:
        job = queries.find_job(session, job_id)
        if job is None or not principal.sees(job.project):
            raise invalid(_FIELD, f"there is no job {job_id!r}")
        obstacle = _find_obstacle(job)
        run_id = str(job.run_id)
        content = job.spec
    if obstacle is not None:
        raise invalid(_FIELD, f"nothing is to be learned from {job_id}: {obstacle}")
    try:
        original = StudySpec.model_validate(content)
    except ValidationError as error:
        raise invalid(_FIELD, f"this version does not understand the spec of {job_id}") from error
    if original.objective != spec.objective:
        raise invalid(_FIELD, f"the objective of {job_id} is another, and cannot be compared")
    if not list_known(spec, services.registry, run_id):
        raise invalid(_FIELD, f"{job_id} has no point of this space that was trained to its end")


def _find_obstacle(job: Job) -> str | None:
    """Why nothing can be learned from a job; None: it can."""
    if job.kind != "study":
        return f"it is of kind {job.kind!r}"
    if State(job.state) not in ENDED:
        return f"it has not ended, it is {job.state}: wait for its end, or stop it"
    return None if job.run_id is not None else "it never began"
