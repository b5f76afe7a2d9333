"""A static file server to compare with: Starlette's files on uvicorn.

python -m benchmarks.load.static FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from benchmarks.load.other_servers import serve, start_server
from benchmarks.load.service import wait


@contextmanager
def static_server(folder: Path) -> Iterator[httpx2.Client]:
    """The files of a folder, served by a process of its own."""
    with (
        start_server("benchmarks.load.static", str(folder)) as [url],
        httpx2.Client(base_url=url, timeout=60) as client,
    ):
        wait(lambda: _answers(client))
        yield client


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/").status_code > 0
    except httpx2.TransportError:
        return False


def main() -> None:
    files = StaticFiles(directory=sys.argv[1])
    serve(Starlette(routes=[Mount("/", files)]))


if __name__ == "__main__":
    main()
