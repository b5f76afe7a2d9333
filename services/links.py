"""Links of answers: relative to the request, so that they lead right below any path of a proxy."""

from __future__ import annotations

import posixpath

from fastapi import Request

from services.proxies.layers import find_own_path


def make_location(request: Request, path: str) -> str:
    """The value of `Location` for a path of this service, such as `/v1/jobs/job_x`."""
    folder = posixpath.dirname(find_own_path(request.scope))
    return posixpath.relpath(path, folder)
