"""REST calls about datasets: docs/rest.md is the wire, docs/datasets.md what a file must hold."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from hyperadam.names import NAME_PATTERN, check_name
from pydantic import AfterValidator

from meta_trainer.datasets.array_files import MAX_FILE_BYTES
from services.auth.dependencies import Principal, require
from services.container import Services
from services.datasets import catalog, schemas, service
from services.datasets.uploads import receive_file
from services.links import make_location
from services.problems import UnsupportedMediaType, invalid
from services.strict_routes import StrictRoute

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictRoute)

MEDIA_TYPE: Final = "application/octet-stream"
READER: Final = Depends(require("read"))
Reader = Annotated[Principal, Depends(require("read"))]
Submitter = Annotated[Principal, Depends(require("submit"))]
Name = Annotated[
    str, Path(pattern=NAME_PATTERN, description="Name of a dataset"), AfterValidator(check_name)
]
Digest = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9a-f]{64}$",
        description="Of the file; one that arrives with another digest is refused",
    ),
]
_FILE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "An npz or safetensors file with `inputs` and `targets`.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("")
def list_datasets(services: Services, principal: Reader) -> schemas.DatasetList:
    """Datasets that a spec may name: built-in ones, whether they are there and how to get those
    that are not, then registered ones."""
    return catalog.list_data(services.settings, services.database, principal)


@router.get("/{name}", dependencies=[READER])
def show(name: Name, services: Services) -> schemas.DatasetAnswer:
    """One dataset."""
    return service.show(services, name)


@router.put(
    "/{name}",
    status_code=201,
    response_model=schemas.DatasetAnswer,
    responses={
        200: {"model": schemas.DatasetAnswer, "description": "This very file has the name already"}
    },
    openapi_extra=_FILE_BODY,
    max_body_size=MAX_FILE_BYTES,
)
async def register(
    name: Name,
    request: Request,
    services: Services,
    principal: Submitter,
    response: Response,
    title: Annotated[schemas.Title, Query()] = "",
    sha256: Digest = None,
) -> schemas.DatasetAnswer:
    """Register a file as a dataset. It is checked whole before it is kept, and never changes; the
    same file under the same name once more changes nothing."""
    media_type, _, _ = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != MEDIA_TYPE:
        raise UnsupportedMediaType(
            f"The body must be an npz or safetensors file, with Content-Type: {MEDIA_TYPE}."
        )
    async with services.upload_slots.hold(principal.project), receive_file(request) as upload:
        if sha256 not in (None, upload.sha256):
            raise invalid("sha256", f"must be that of the file, which is {upload.sha256}")
        answer, is_new = await run_in_threadpool(
            service.register, services, name, title, upload, principal
        )
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = make_location(request, f"/v1/datasets/{name}")
    return answer


@router.delete("/{name}", status_code=204)
def remove(name: Name, services: Services, principal: Submitter) -> None:
    """Delete a dataset of one's own, or with `admin` any; refused while a job that has not ended
    needs it."""
    service.remove(services, name, principal)
