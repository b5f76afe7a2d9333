"""What would become of a job, without submitting it: all the checks, and nothing is written."""

from __future__ import annotations

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
    preset = content.get("preset")
    answer = DryRunAnswer(
        accepted=False,
        preset=preset if isinstance(preset, str) else None,
        notes=describe_bare(request.kind, request.spec),
        spec=None,
        cost=None,
        errors=[],
    )
    try:
        spec = check_request(services, request, principal)
    except (Validation, Forbidden) as problem:
        return answer.model_copy(update={"errors": _list_errors(problem)})
    with services.database.read() as session:
        forms = read_forms(session)
    cost = describe_cost(spec, count_cores(services), forms)
    content = spec.model_dump(mode="json")
    notes = [*answer.notes, *describe_toy(content, principal.project)]
    changes = {"accepted": True, "spec": content, "cost": cost, "notes": notes}
    return answer.model_copy(update=changes)


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
        return DryRunAnswer(
            accepted=False,
            preset=None,
            notes=[],
            spec=None,
            cost=None,
            errors=_list_errors(problem),
        )
    return try_job(services, whole_request, principal)


def _list_errors(problem: Validation | Forbidden) -> list[FieldErrorAnswer]:
    fields = problem.errors
    errors = [FieldErrorAnswer(field=each.field, message=each.message) for each in fields]
    return errors or [FieldErrorAnswer(field="spec", message=problem.detail)]
