"""A Ray cluster of this machine's own, for `hyperadam-server up`: started in the background, gone
with the service.

It takes seconds to start, so the API does not wait for it: until then the executor says "starting".
Everything of it listens on loopback and asks for a token, which is made for each home. Should it
die, it is started again.
"""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from services.executors.contract import ExecutorUnavailable
from services.reconciler.lease import STARTING

logger = logging.getLogger(__name__)

TOKEN_FILE: Final = "ray-token"
RESTART_SECONDS: Final = 5.0
STOP_SECONDS: Final = 60.0


class EmbeddedRay:
    """The life of one local cluster. `start` returns at once; `address` tells when it is ready."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stopping, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="ray", daemon=True)
        self._holder: subprocess.Popen[bytes] | None = None
        self._address = ""

    def start(self) -> None:
        self._thread.start()

    def address(self) -> str:
        """URL of the dashboard, which serves the Jobs API.

        Raises:
            ExecutorUnavailable: it is starting.
        """
        if not self._ready.is_set():
            raise ExecutorUnavailable(STARTING)
        return self._address

    def headers(self) -> dict[str, str]:
        """What a request to the Jobs API must carry."""
        return {"Authorization": f"Bearer {self._token_file().read_text()}"}

    def stop(self) -> None:
        """Stop the cluster with all that runs in it."""
        self._stopping.set()
        if (holder := self._holder) is not None and holder.stdin is not None:
            holder.stdin.close()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        if holder is not None and holder.poll() is None:
            holder.kill()
            holder.wait()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._hold_one()
            self._ready.clear()
            if not self._stopping.wait(RESTART_SECONDS):
                logger.warning(
                    "the local Ray cluster ended; starting another (its log: %s)",
                    self._home / "ray.log",
                )

    def _hold_one(self) -> None:
        """Start a cluster and wait until it ends."""
        token = self._token_file()
        environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        reader, writer = os.pipe()
        with (self._home / "ray.log").open("wb") as log, os.fdopen(reader) as answer:
            self._holder = holder = subprocess.Popen(
                [sys.executable, "-m", "services.embedded.ray_holder", str(writer)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                pass_fds=[writer],
                start_new_session=True,  # an interrupt at the terminal is for the service alone
            )
            os.close(writer)
            self._address = answer.readline().strip()
            if self._address:
                self._ready.set()
            with holder:  # its input is closed also where it was killed
                if self._stopping.is_set() and holder.stdin is not None:
                    holder.stdin.close()
                holder.wait()

    def _token_file(self) -> Path:
        file = self._home / TOKEN_FILE
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
                new.write(secrets.token_hex(32))
        return file
