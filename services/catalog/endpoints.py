"""REST calls about what a spec may be made of. The wire is docs/rest.md."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends

from services.auth.dependencies import require
from services.catalog import schemas, service, tasks
from services.container import Services
from services.strict_routes import StrictRoute

router = APIRouter(prefix="/v1", tags=["specs"], route_class=StrictRoute)

READER: Final = Depends(require("read"))


@router.get("/presets", dependencies=[READER])
def list_presets(services: Services) -> schemas.PresetList:
    """Named starting points: what each is for, what it costs, and its complete spec."""
    return service.list_all_presets(services)


@router.get("/tasks", dependencies=[READER])
def list_tasks() -> schemas.TaskCatalog:
    """Rules that can be learned, tasks to learn on, suites and baselines to compare with."""
    return tasks.list_tasks()
