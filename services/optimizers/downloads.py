"""Download of a version's weights: cacheable, resumable, verifiable; from memory where possible."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response
from fastapi.concurrency import run_in_threadpool

from services.container import Container, Services
from services.optimizers.conditional import Unsatisfiable, is_current, parse_range
from services.optimizers.parameters import READER, THETA_MEDIA_TYPE, Name, Ref
from services.optimizers.weights import PinnedVersion
from services.problems import RangeNotSatisfiable
from services.strict_routes import StrictRoute

PATH: Final = "/{name}/versions/{ref}/weights"
_CACHE_FOR_EVER: Final = "private, max-age=31536000, immutable"
_CACHE_AND_ASK: Final = "private, no-cache"

_BINARY: Final[dict[str, Any]] = {
    "content": {THETA_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
}
_NOT_MODIFIED: Final = {"description": "The client has this version"}

router = APIRouter(route_class=StrictRoute)

IfNoneMatch = Annotated[list[str], Header(description="Entity tags, or `*`")]
Range = Annotated[str | None, Header(alias="Range", description="One range of bytes")]
IfRange = Annotated[
    str | None, Header(description="Entity tag: send the range only of this content")
]


@router.get(
    PATH,
    dependencies=[READER],
    response_class=Response,
    responses={200: _BINARY, 206: _BINARY | {"description": "The range"}, 304: _NOT_MODIFIED},
)
async def download_weights(
    name: Name,
    ref: Ref,
    services: Services,
    if_none_match: IfNoneMatch = [],  # noqa: B006
    byte_range: Range = None,
    if_range: IfRange = None,
) -> Response:
    """The Θ file (safetensors)."""
    pinned = await _resolve(services, name, ref)
    headers = build_headers(pinned, ref)
    if is_current(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)

    data = services.weights.recall_file(pinned)
    if data is None:
        data = await run_in_threadpool(services.weights.load_file, pinned)
    return _answer(data, headers, byte_range, if_range)


@router.head(
    PATH,
    dependencies=[READER],
    response_class=Response,
    responses={200: _BINARY, 304: _NOT_MODIFIED},
)
async def describe_weights(
    name: Name,
    ref: Ref,
    services: Services,
    if_none_match: IfNoneMatch = [],  # noqa: B006
) -> Response:
    """What `GET` would say of the file, without the file."""
    pinned = await _resolve(services, name, ref)
    headers = build_headers(pinned, ref)
    if is_current(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)

    headers["Content-Length"] = str(pinned.n_bytes)
    return Response(headers=headers, media_type=THETA_MEDIA_TYPE)


async def _resolve(services: Container, name: str, ref: str) -> PinnedVersion:
    pinned = services.weights.recall(name, ref)
    if pinned is not None:
        return pinned
    return await run_in_threadpool(services.weights.resolve, name, ref)


def build_headers(pinned: PinnedVersion, ref: str) -> dict[str, str]:
    """What a download says of its content, and how long it may be cached.

    A number names the same bytes for ever; an alias must be asked for anew every time.
    """
    digest = b64encode(bytes.fromhex(pinned.sha256)).decode()
    file_name = f"{pinned.optimizer}-{pinned.number}.safetensors"
    return {
        "ETag": f'"{pinned.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "X-Version": str(pinned.number),
        "Cache-Control": _CACHE_FOR_EVER if ref.isdigit() else _CACHE_AND_ASK,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Vary": "Authorization",
    }


def _answer(
    data: bytes, headers: dict[str, str], byte_range: str | None, if_range: str | None
) -> Response:
    try:
        part = parse_range(byte_range, if_range, headers["ETag"], len(data))
    except Unsatisfiable:
        raise RangeNotSatisfiable(
            f"The file has {len(data)} bytes.",
            headers={"Content-Range": f"bytes */{len(data)}", "Accept-Ranges": "bytes"},
        ) from None
    if part is None:
        return Response(data, headers=headers, media_type=THETA_MEDIA_TYPE)

    place = {"Content-Range": f"bytes {part.start}-{part.stop - 1}/{len(data)}"}
    return Response(
        memoryview(data)[part.start : part.stop],
        status_code=206,
        headers=headers | place,
        media_type=THETA_MEDIA_TYPE,
    )
