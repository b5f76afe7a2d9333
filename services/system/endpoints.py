"""REST calls about the service itself. The wire is docs/rest.md."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from services.auth.dependencies import Principal, require
from services.container import Services
from services.strict_routes import StrictRoute
from services.system import schemas
from services.system.audit import list_audit
from services.system.service import describe_system

READER: Final = Depends(require("read"))

router = APIRouter(prefix="/v1", tags=["system"], route_class=StrictRoute)


@router.get("/system", dependencies=[READER])
def show_system(
    services: Services, principal: Annotated[Principal, READER]
) -> schemas.SystemAnswer:
    """Queue and active jobs, as far as they are seen; machines, and versions of everything."""
    return describe_system(services, principal)


@router.get("/audit", dependencies=[Depends(require("admin"))])
def show_audit(
    services: Services, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> schemas.AuditList:
    """Who did what, newest first: with jobs (the 500 newest), aliases, versions and keys."""
    return list_audit(services, limit=limit)
