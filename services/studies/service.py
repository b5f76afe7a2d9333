"""Use cases of studies. A driver is reached through its run (decision 8): words to it are a file
there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Final

from hyperadam.theta import Theta
from sqlalchemy.orm import Session

from meta_trainer.studies.control import Control
from meta_trainer.studies.ledger import THETA_PATH, Ledger, make_trial_key
from registry.contract import ArtifactNotFound, Registry
from services.container import Container
from services.idempotency.service import Post, digest
from services.jobs import changes, errors, schemas
from services.jobs.lifecycle import ENDED, State
from services.jobs.tables import Job
from services.problems import Conflict, NotFound, invalid
from services.studies.schemas import StudyControl, StudyLimits, TrialVersionRequest

KIND: Final = "study"


def stop(services: Container, job_id: str, post: Post) -> tuple[StudyControl, bool]:
    """Ask a study to begin no further trial; what is asked of it now, and whether it was this call
    that asked.

    Raises:
        Problem: 404; 409 when it has ended.
    """

    def change(session: Session) -> StudyControl:
        return _change(services, session, job_id, lambda control: replace(control, stopping=True))

    done = post.once(services.database, digest(), job_id, change)
    return done.made or _control(services, job_id), done.made is not None


def limit(services: Container, job_id: str, request: StudyLimits) -> StudyControl:
    """Change how many trials there are in all, or side by side.

    Raises:
        Problem: 404; 409 when it has ended; 422 for a population, whose size is its number of
            trials.
    """
    given = request.model_dump(exclude_none=True)
    with services.database.write() as session:
        job = _study(session, job_id)
        if "trials" in given and job.spec["searcher"]["kind"] == "pbt":
            raise invalid("trials", "is the size of the population, which cannot be changed")
        return _change(services, session, job_id, lambda control: replace(control, **given))


def register(
    services: Container, job_id: str, number: int, request: TrialVersionRequest, post: Post
) -> tuple[schemas.VersionAnswer, bool]:
    """Make the best Θ of a trial a version; the version, and whether this call made it.

    Raises:
        Problem: 404 for a trial that there is not, or that has no Θ yet.
    """

    def change(session: Session) -> schemas.VersionAnswer:
        job = _study(session, job_id)
        theta = Theta.from_bytes(_theta(services.registry, job, number))
        key = f"{make_trial_key(job_id, number)}.{request.optimizer}"
        version = services.registry.create_version(
            request.optimizer, theta, key=key, run_id=job.run_id
        )
        return schemas.VersionAnswer(
            optimizer=version.optimizer, number=version.number, sha256=version.sha256
        )

    done = post.once(services.database, digest(request), job_id, change)
    if done.made is not None:
        return done.made, True
    with services.database.write() as session:
        return change(session), False


def _theta(registry: Registry, job: Job, number: int) -> bytes:
    trials = Ledger.load(registry, job.run_id).trials if job.run_id else []
    run_id = trials[number].run_id if number < len(trials) else None
    try:
        if run_id is not None:
            return registry.get_artifact(run_id, THETA_PATH)
    except ArtifactNotFound:
        pass
    raise NotFound(f"The study {job.id!r} has no trial {number}, or none with a validated Θ yet.")


def _change(
    services: Container, session: Session, job_id: str, change: Callable[[Control], Control]
) -> StudyControl:
    """Change what is asked, while the job is locked."""
    job = _study(session, job_id)
    if State(job.state) in ENDED:
        raise Conflict(f"A study that is {job.state} cannot be changed.", state=State(job.state))
    run_id = _run(services, job)
    control = change(Control.load(services.registry, run_id))
    control.save(services.registry, run_id)
    return StudyControl(**asdict(control))


def _control(services: Container, job_id: str) -> StudyControl:
    with services.database.write() as session:
        run_id = _run(services, _study(session, job_id))
    return StudyControl(**asdict(Control.load(services.registry, run_id)))


def _run(services: Container, job: Job) -> str:
    """The study's run, opened as the reconciler would where it has not been yet."""
    if job.run_id is None:
        job.run_id = services.registry.open_run(
            job.id, name=job.name or job.id, tags={"kind": job.kind}
        )
    return job.run_id


def _study(session: Session, job_id: str) -> Job:
    job = changes.lock_job(session, job_id)
    if job is None:
        raise errors.job_not_found(job_id)
    if job.kind != KIND:
        raise NotFound(f"The job {job_id!r} is not a study.")
    return job
