"""One POST to a checked address: no redirect is followed, no proxy asked, and time is bounded."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from services.webhooks.hosts import Target

CONNECT_SECONDS: Final = 5.0
WHOLE_SECONDS: Final = 15.0
"""From the connection to the answer's headers, however slowly they come."""


class NotTaken(Exception):
    """The receiver did not take the message, or nobody knows whether it did."""


class Gone(NotTaken):
    """The receiver wants no more of these (410)."""


class _Connection(http.client.HTTPConnection):
    """To an address that was checked, with TLS for the name of its host."""

    def __init__(self, target: Target, address: str) -> None:
        super().__init__(target.host, target.port, timeout=CONNECT_SECONDS)
        self._target = target
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self._target.port), CONNECT_SECONDS)
        plain.settimeout(WHOLE_SECONDS)
        self.sock = plain
        if self._target.is_secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=self._target.host)


def post(
    target: Target,
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    whole_seconds: float = WHOLE_SECONDS,
) -> None:
    """Send it, and wait for a status of 2xx.

    Raises:
        NotTaken: there was none in time; Gone: none is wanted.
    """
    connection = _Connection(target, address)
    watchdog = threading.Timer(whole_seconds, _cut, args=[connection])
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request("POST", target.path, body, {"Host": target.authority, **headers})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, AttributeError) as error:
        # a connection that was cut in the middle may miss its socket
        raise NotTaken(f"{type(error).__name__}: {error}"[:300]) from error
    finally:
        watchdog.cancel()
        connection.close()
    if status == 410:
        raise Gone("answered with status 410: it wants no more of these")
    if not 200 <= status < 300:
        note = ", and redirects are not followed" if 300 <= status < 400 else ""
        raise NotTaken(f"answered with status {status}{note}")


def _cut(connection: http.client.HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
