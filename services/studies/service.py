"""Use cases of studies.

A driver is reached through its run (decision 8): what people ask of it is a file there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, Final

from hyperadam.theta import Theta
from sqlalchemy.orm import Session

from meta_trainer.studies.control import Control
from meta_trainer.studies.ledger import THETA_PATH, Ledger, make_trial_key
from registry import ArtifactNotFound, Registry
from services.container import Container
from services.database.base import now
from services.idempotency.service import Post, hash_body
from services.jobs import changes, errors, schemas, views
from services.jobs import service as jobs_service
from services.jobs.lifecycle import ENDED, State, Trigger
from services.jobs.tables import Job
from services.optimizers.owners import claim_name
from services.problems import Conflict, NotFound, invalid
from services.projects.opening import check_open
from services.projects.quotas import check_queue
from services.studies.schemas import StudyControl, StudyExtension, StudyLimits, TrialVersionRequest

KIND: Final = "study"


def stop(services: Container, job_id: str, post: Post) -> tuple[StudyControl, bool]:
    """Ask a study to begin no further trial.

    Returns what is asked of it now, and whether it was this call that asked.

    Raises:
        Problem: 404; 409 when it has ended.
    """

    def change(session: Session) -> StudyControl:
        return _change_control(services, session, job_id, {"stopping": True})

    outcome = post.run_once(services.database, hash_body(), job_id, change)
    control = outcome.result or _load_control(services, job_id)
    return control, outcome.result is not None


def extend(
    services: Container, job_id: str, request: StudyExtension, post: Post
) -> tuple[schemas.JobAnswer, bool]:
    """Put a study that has ended back into the queue, to go on with more trials.

    Returns the job, and whether it was this call that asked.

    Raises:
        Problem: 404; 409 while it has not ended, or when its time or deadline is over; 422 for no
            more trials than there are, and for a population.
    """

    def change(session: Session) -> schemas.JobAnswer:
        job = _lock_study(session, job_id)
        state = State(job.state)
        if state not in ENDED:
            raise Conflict(
                f"A study that is {state} has not ended: change its limits (PATCH).", state=state
            )
        if job.deadline is not None and job.deadline <= now():
            raise errors.deadline_passed(state, job.deadline)
        check_queue(session, check_open(session, job.project))
        _check_extension(services, job, request.trials)
        run_id = _ensure_run(services, job)
        control = Control.load(services.registry, run_id)
        replace(control, trials=request.trials, stopping=False).save(services.registry, run_id)
        changes.apply_trigger(session, job, Trigger.EXTEND, post.principal.name)
        return views.make_answer(services, session, job)

    outcome = post.run_once(services.database, hash_body(request), job_id, change)
    answer = outcome.result or jobs_service.show_job(services, outcome.resource)
    return answer, outcome.result is not None


def _check_extension(services: Container, job: Job, n_trials: int) -> None:
    """
    Raises:
        Problem: 409 when the study has no time left; 422 when it would have no further trial.
    """
    if job.spec["searcher"]["kind"] == "pbt":
        raise invalid("trials", "is the size of the population, which cannot be changed")
    ledger = Ledger.load(services.registry, _ensure_run(services, job))
    if n_trials <= len(ledger.trials):
        raise invalid("trials", f"must be more than the study has, {len(ledger.trials)}")
    limit = job.spec["limits"]["wall_seconds"]
    if limit is not None and ledger.seconds >= limit:
        raise Conflict(
            f"The study has used up its {limit:g} wall_seconds: clone it with others, and let the "
            "clone begin with what this one knows (warm_start).",
            state=State(job.state),
        )


def limit(services: Container, job_id: str, request: StudyLimits) -> StudyControl:
    """Change how many trials there are in all, or side by side.

    Raises:
        Problem: 404; 409 when it has ended; 422 for a population, whose size is its number of
            trials.
    """
    limits = request.model_dump(exclude_none=True)
    with services.database.write() as session:
        job = _lock_study(session, job_id)
        is_population = job.spec["searcher"]["kind"] == "pbt"
        if is_population and "trials" in limits:
            raise invalid("trials", "is the size of the population, which cannot be changed")
        return _change_control(services, session, job_id, limits)


def register(
    services: Container, job_id: str, number: int, request: TrialVersionRequest, post: Post
) -> tuple[schemas.VersionAnswer, bool]:
    """Make the best Θ of a trial a version.

    Returns the version, and whether this call made it.

    Raises:
        Problem: 404 for a trial that there is not, or that has no Θ yet; 403 for another's name.
    """
    claim_name(services.database, services.registry, request.optimizer, post.principal)

    def change(session: Session) -> schemas.VersionAnswer:
        job = _lock_study(session, job_id)
        theta = Theta.from_bytes(_load_theta(services.registry, job, number))
        key = f"{make_trial_key(job_id, number)}.{request.optimizer}"
        version = services.registry.create_version(
            request.optimizer, theta, key=key, run_id=job.run_id
        )
        if services.signer is not None:
            services.signer.sign_version(services.registry, version)
        return schemas.VersionAnswer(
            optimizer=version.optimizer, number=version.number, sha256=version.sha256
        )

    outcome = post.run_once(services.database, hash_body(request), job_id, change)
    if outcome.result is not None:
        return outcome.result, True
    with services.database.write() as session:
        return change(session), False


def _load_theta(registry: Registry, job: Job, number: int) -> bytes:
    run_id = _find_trial_run(registry, job, number)
    if run_id is not None:
        with suppress(ArtifactNotFound):
            return registry.get_artifact(run_id, THETA_PATH)
    raise NotFound(f"The study {job.id!r} has no trial {number}, or none with a validated Θ yet.")


def _find_trial_run(registry: Registry, job: Job, number: int) -> str | None:
    if not job.run_id:
        return None
    trials = Ledger.load(registry, job.run_id).trials
    if number >= len(trials):
        return None
    return trials[number].run_id


def _change_control(
    services: Container, session: Session, job_id: str, asked: Mapping[str, Any]
) -> StudyControl:
    """Change what is asked, while the job is locked."""
    job = _lock_study(session, job_id)
    if State(job.state) in ENDED:
        raise Conflict(f"A study that is {job.state} cannot be changed.", state=State(job.state))

    run_id = _ensure_run(services, job)
    control = replace(Control.load(services.registry, run_id), **asked)
    control.save(services.registry, run_id)
    return StudyControl(**asdict(control))


def _load_control(services: Container, job_id: str) -> StudyControl:
    with services.database.write() as session:
        run_id = _ensure_run(services, _lock_study(session, job_id))
    return StudyControl(**asdict(Control.load(services.registry, run_id)))


def _ensure_run(services: Container, job: Job) -> str:
    """The study's run. Where there is none yet, it is opened as the reconciler would."""
    if job.run_id is None:
        job.run_id = services.registry.open_run(
            job.id, name=job.name or job.id, tags={"kind": job.kind}
        )
    return job.run_id


def _lock_study(session: Session, job_id: str) -> Job:
    job = changes.lock_job(session, job_id)
    if job is None:
        raise errors.job_not_found(job_id)
    if job.kind != KIND:
        raise NotFound(f"The job {job_id!r} is not a study.")
    return job
