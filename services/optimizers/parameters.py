"""What the paths and queries of these calls hold.

Names are strict, so that no text of a client ever reaches a file system or a query.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Path, Query
from hyperadam.names import NAME_PATTERN, check_alias, check_name, split_ref
from pydantic import AfterValidator

from services.auth.dependencies import Principal, require
from services.optimizers.schemas import MAX_NUMBER
from services.problems import NotFound

THETA_MEDIA_TYPE: Final = "application/octet-stream"


def _check_ref(ref: str) -> str:
    check_name(ref, "version")
    if ref.isdigit() and not 1 <= int(ref) <= MAX_NUMBER:
        raise NotFound(f"there is no version {ref}")
    return ref


def _check_reference(reference: str) -> str:
    _, ref = split_ref(reference)
    _check_ref(ref)
    return reference


Name = Annotated[
    str, Path(pattern=NAME_PATTERN, description="Name of an optimizer"), AfterValidator(check_name)
]
Ref = Annotated[
    str,
    Path(pattern=NAME_PATTERN, description="A version's number, an alias, or `latest`"),
    AfterValidator(_check_ref),
]
Reference = Annotated[
    str,
    Query(max_length=129, description="The other version, as `name@ref`"),
    AfterValidator(_check_reference),
]
Alias = Annotated[str, Path(pattern=NAME_PATTERN), AfterValidator(check_alias)]
NameCursor = Annotated[
    str | None, Query(pattern=NAME_PATTERN, description="`next_cursor` of the page before")
]
NumberCursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,10}$", description="`next_cursor` of the page before")
]
Number = Annotated[
    int,
    Path(ge=1, le=MAX_NUMBER, alias="ref", description="A version's number; no other name of it"),
]
Archived = Annotated[bool, Query(description="Archived versions as well")]
Limit = Annotated[int, Query(ge=1, le=200)]

READER: Final = Depends(require("read"))
Reader = Annotated[Principal, READER]
Submitter = Annotated[Principal, Depends(require("submit"))]
Admin = Annotated[Principal, Depends(require("admin"))]
