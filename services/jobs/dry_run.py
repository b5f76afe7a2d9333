"""What would become of a job, without submitting it: all the checks, and nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

from services.auth.scopes import Principal
from services.catalog.schemas import DryRunAnswer, FieldErrorAnswer
from services.catalog.service import count_cores, describe_cost
from services.container import Container
from services.datasets.catalog import read_forms
from services.jobs import schemas
from services.jobs.bare import describe_bare, lay_under
from services.jobs.submission import check_request, make_clone
from services.jobs.toys import describe_toy
from services.problems import Forbidden, Validation


def try_job(services: Container, request: schemas.JobRequest, principal: Principal) -> DryRunAnswer:
    """The complete spec and its cost, or the fields for which it would be refused."""
    content = lay_under(request.kind, request.spec)
    named = content.get("preset")
    preset = named if isinstance(named, str) else None
    notes = describe_bare(request.kind, request.spec)
    try:
        spec = check_request(services, request, principal)
    except (Validation, Forbidden) as problem:
        return _refuse(problem, preset, notes)
    with services.database.read() as session:
        forms = read_forms(session)
    complete = spec.model_dump(mode="json")
    return DryRunAnswer(
        accepted=True,
        preset=preset,
        notes=[*notes, *describe_toy(complete, principal.project)],
        spec=complete,
        cost=describe_cost(spec, count_cores(services), forms),
        errors=[],
    )


def try_clone(
    services: Container, job_id: str, request: schemas.CloneRequest, principal: Principal
) -> DryRunAnswer:
    """The same of a job like another one.

    Raises:
        Problem: 404.
    """
    try:
        whole_request = make_clone(services, job_id, request)
    except Validation as problem:
        return _refuse(problem, None, [])
    return try_job(services, whole_request, principal)


def _refuse(
    problem: Validation | Forbidden, preset: str | None, notes: Sequence[str]
) -> DryRunAnswer:
    fields = problem.errors
    errors = [FieldErrorAnswer(field=each.field, message=each.message) for each in fields]
    return DryRunAnswer(
        accepted=False,
        preset=preset,
        notes=list(notes),
        spec=None,
        cost=None,
        errors=errors or [FieldErrorAnswer(field="spec", message=problem.detail)],
    )
