"""Links of answers: relative to the request, so that they lead right below any path of a proxy."""

from __future__ import annotations

import posixpath

from fastapi import Request


def make_location(request: Request, path: str) -> str:
    """The value of `Location` for a path of this service, such as `/v1/jobs/job_x`."""
    root = request.scope.get("root_path", "")
    folder = posixpath.dirname(request.scope["path"].removeprefix(root))
    return posixpath.relpath(path, folder)
