"""A receiver of webhooks: a real server on loopback that keeps what it got."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.services.http_servers import run_http_server


@dataclass
class Receiver:
    """What it answers, and what it got."""

    port: int = 0
    status: int = 204
    location: str = ""
    drip_seconds: float = 0.0
    """It sends its answer a byte at a time, with such pauses."""
    messages: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers (in lower case) and body."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=t"


@contextmanager
def run_receiver(port: int = 0) -> Iterator[Receiver]:
    """A receiver; port 0: a free one."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.messages.append((self.path, headers, body))
            if receiver.drip_seconds:
                for byte in b"HTTP/1.1 200 OK\r\n" * 100:
                    time.sleep(receiver.drip_seconds)
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

        def handle_error(self, *_: object) -> None:
            pass

    with run_http_server(Handler, port) as receiver.port:
        yield receiver
