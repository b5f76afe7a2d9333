"""A static file server to compare with: Starlette's files on uvicorn. `python -m
benchmarks.load.static FOLDER`."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from benchmarks.load.service import wait


@contextmanager
def static_server(folder: Path) -> Iterator[httpx2.Client]:
    """The files of a folder, served by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load.static", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with httpx2.Client(base_url=process.stdout.readline().strip(), timeout=60) as client:
                wait(lambda: _answers(client))
                yield client
        finally:
            process.kill()


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/").status_code > 0
    except httpx2.TransportError:
        return False


def main() -> None:
    """Serve on a free port, and print the URL."""
    app = Starlette(routes=[Mount("/", StaticFiles(directory=sys.argv[1]))])
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(
            sockets=[listener]
        )


if __name__ == "__main__":
    main()
