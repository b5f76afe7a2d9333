"""The HTTP server of one process: uvicorn, with a stop that long answers hear of."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn

from meta_trainer.stop_signals import set_soon
from services.app import create_app
from services.container import Container
from services.first_answer import prepare, settle_memory
from services.patient_protocol import PatientProtocol, allow_connections
from services.proxies.layers import stand_behind
from services.stop_limit import StopLimit

GRACE_SECONDS: Final = 10
"""Time that requests in flight have when the server stops."""
ACCEPTED_AT_ONCE: Final = 32
"""Connections that the event loop takes in one go, before it turns to those that it has."""
QUEUED: Final = 2048
"""Connections that the system keeps until they are taken."""
SWITCH_SECONDS: Final = 0.0005
"""After which a thread that computes hands on the interpreter (Python's own: ten times as long).
The event loop gives it up at every system call, and would wait so long to have it back."""
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Address of all interfaces → one by which this machine reaches itself."""


class CannotListen(Exception):
    """The address is taken, or not ours."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 finds a free one.

    Raises:
        CannotListen: with a message for people.
    """
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Nagle's algorithm holds back small answers for 40 ms. asyncio turns it off only where the
    # socket says that it is TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, UnicodeError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise CannotListen(f"cannot listen on {place}: {reason}") from error
    return listener


def format_url(listener: socket.socket) -> str:
    """The URL by which this machine reaches the server."""
    host, port = listener.getsockname()[:2]
    host = _LOOPBACK.get(host, host)
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}"


class ApiServer(uvicorn.Server):
    """Serves until SIGTERM or SIGINT; `run` then returns, so that its caller can stop the rest.

    Args:
        settles: whether all that this process has in memory at the start stays there.
        stop_limit: by when the process ends after a signal; None: when it is ready to.
    """

    def __init__(
        self,
        services: Container,
        on_ready: Callable[[], None],
        *,
        settles: bool = False,
        stop_limit: StopLimit | None = None,
    ) -> None:
        allow_connections()
        self._stop_limit = stop_limit
        self._settles = settles
        self._stopping = services.stopping
        self._on_ready = on_ready
        self._app = create_app(services)
        settings = services.settings
        config = uvicorn.Config(
            stand_behind(self._app, settings.trusted_proxies, settings.root_path),
            log_config=None,
            access_log=False,
            server_header=False,
            http=PatientProtocol,
            proxy_headers=False,  # `stand_behind` has the layer, below its own
            timeout_keep_alive=settings.keep_alive_seconds,  # type: ignore[arg-type]
            timeout_graceful_shutdown=GRACE_SECONDS,
            backlog=ACCEPTED_AT_ONCE,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        await prepare(self._app)
        if self._settles:
            settle_memory()
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(QUEUED)  # asyncio has one number for both
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._stop_limit is not None:
            self._stop_limit.begin()
        set_soon(self._stopping)
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Listen to both signals from now on.

        uvicorn's own method gives them back at the end, and raises them again.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.handle_exit)
        yield
