"""A static file server to compare with: Starlette's files on uvicorn. `python -m benchmarks.load.static FOLDER`."""

from __future__ import annotations

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles


def main() -> None:
    """Serve on a free port, and print the URL."""
    app = Starlette(routes=[Mount("/", StaticFiles(directory=sys.argv[1]))])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
