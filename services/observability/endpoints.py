"""`GET /metrics`, for Prometheus: figures of the service as a whole for anybody, and of single jobs
for whoever has a key that sees them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from sqlalchemy.exc import SQLAlchemyError

from services.auth.dependencies import Credentials, Principal, ProjectName, require
from services.container import Services
from services.observability.active_jobs import ActiveJobsCollector

router = APIRouter(tags=["operations"])


async def find_reader(
    request: Request, services: Services, credentials: Credentials, project: ProjectName = None
) -> Principal | None:
    """Who asks, if it says so; a key that is none is refused."""
    if "authorization" not in request.headers:
        return None
    return await require("read")(request, services, credentials, None, project)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
    openapi_extra={"security": [{}]},  # besides the key: none
)
def show_metrics(
    request: Request,
    services: Services,
    principal: Annotated[Principal | None, Depends(find_reader)],
) -> Response:
    """Figures of this process and of all jobs together, in Prometheus' text format; with a key,
    also of each active job in the projects that it sees."""
    figures = generate_latest(request.app.state.metrics.registry)
    if principal is not None:
        figures += _measure_jobs(services, principal)
    return Response(figures, media_type=CONTENT_TYPE_PLAIN_1_0_0)


def _measure_jobs(services: Services, principal: Principal) -> bytes:
    """Nothing where the database does not answer: `hyperadam_database_up` says so."""
    registry = CollectorRegistry(auto_describe=False)
    try:
        registry.register(ActiveJobsCollector(services.database, principal.choose()))
        return generate_latest(registry)
    except SQLAlchemyError:
        return b""
