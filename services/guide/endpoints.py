"""Serves the documentation site at `/guide`.

The wheel has it in this package's folder `site`, where `make docs` builds it; an operator may name
another folder (`HYPERADAM_GUIDE_DIR`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Depends, Response

from services.container import Services
from services.problems import NotFound, PagePlan, answer_people
from services.static_files import IfNoneMatch, StaticFile, read_files

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Pages set styles of their elements; scripts are those of this server alone."""
FOLDER: Final = Path(__file__).with_name("site")
_INDEX: Final = "index.html"


@cache
def load_files(folder: Path) -> Mapping[str, StaticFile]:
    """Name → file, of everything in a folder.

    Raises:
        NotFound: no site is there.
    """
    if not (folder / _INDEX).is_file():
        raise NotFound(
            "the guide is not in this installation: `make docs` builds it, "
            "and HYPERADAM_GUIDE_DIR may name its folder"
        )
    return read_files(folder.iterdir())


MISSING: Final = PagePlan(
    heading="This page is not here",
    advice="The dashboard works without the guide; its link API leads to the reference.",
    way_on="To the dashboard",
)
router = APIRouter(include_in_schema=False, dependencies=[Depends(answer_people(MISSING))])


@router.get("/guide")
async def enter() -> Response:
    """Addresses in its pages are relative to a folder."""
    return Response(status_code=307, headers={"Location": "guide/"})


@router.get("/guide/{name:path}")
async def send_page(services: Services, name: str, if_none_match: IfNoneMatch = "") -> Response:
    files = load_files(Path(services.settings.guide_dir or FOLDER))
    if name in files:
        return files[name].answer(POLICY, if_none_match)
    page = f"{name}{_INDEX}" if not name or name.endswith("/") else f"{name}/{_INDEX}"
    if page not in files:
        raise NotFound("the guide has no such page")
    if name and not name.endswith("/"):
        return Response(status_code=307, headers={"Location": f"{name.rpartition('/')[2]}/"})
    return files[page].answer(POLICY, if_none_match)
