"""A Ray cluster of this machine's own, for `hyperadam-server up`; it ends with the service.

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
from services.executors.surroundings import build_environment
from services.own_files import open_own
from services.reconciler.lease import STARTING
from services.secret_files import write_secret

logger = logging.getLogger(__name__)

LOOPBACK_ONLY: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""With `0`, Ray takes 127.0.0.1 for this machine's address (`get_node_ip_address` in its
`_private/services.py`), and every part of it listens there. `--node-ip-address=127.0.0.1` is not
enough: Ray puts the address that others see in its place.
"""
TOKEN_FILE: Final = "ray-token"
RESTART_SECONDS: Final = 5.0
STOP_SECONDS: Final = 60.0


class EmbeddedRay:
    """The life of one local cluster. `start` returns at once; `address` tells when it is ready."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ray", daemon=True)
        self._holder: subprocess.Popen[bytes] | None = None
        self._address = ""
        self._failure = ""
        """Why the last start failed; empty: it did not, or nothing is known yet."""

    def start(self) -> None:
        self._thread.start()

    def address(self) -> str:
        """URL of the dashboard, which serves the Jobs API.

        Raises:
            ExecutorUnavailable: it is starting.
        """
        if not self._ready.is_set():
            raise ExecutorUnavailable(self._failure or STARTING)
        return self._address

    def headers(self) -> dict[str, str]:
        """What a request to the Jobs API must carry."""
        token = self._ensure_token().read_text()
        return {"Authorization": f"Bearer {token}"}

    def stop(self) -> None:
        """Stop the cluster with all that runs in it."""
        self._stopping.set()

        holder = self._holder
        if holder is not None and holder.stdin is not None:
            holder.stdin.close()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        if holder is not None and holder.poll() is None:
            holder.kill()
            holder.wait()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._hold_cluster()
            self._ready.clear()
            if not self._stopping.wait(RESTART_SECONDS):
                logger.warning(
                    "the local Ray cluster ended; starting another (its log: %s)",
                    self._home / "ray.log",
                )

    def _hold_cluster(self) -> None:
        """Start a cluster and wait until it ends."""
        reader, writer = os.pipe()
        with os.fdopen(reader) as answer:
            holder = self._start_holder(writer)
            self._holder = holder
            os.close(writer)

            self._address = answer.readline().strip()
            if self._address:
                self._failure = ""
                self._ready.set()
            elif not self._stopping.is_set():
                self._failure = f"the local Ray cluster does not start: {self._read_log_end()}"
            with holder:  # its input is closed also where it was killed
                if self._stopping.is_set() and holder.stdin is not None:
                    holder.stdin.close()
                holder.wait()

    def _start_holder(self, answer: int) -> subprocess.Popen[bytes]:
        """The process that holds the cluster, and writes its address to the descriptor `answer`."""
        environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._ensure_token()),
            "RAY_USAGE_STATS_ENABLED": "0",
            LOOPBACK_ONLY: "0",
        }
        with open_own(self._home / "ray.log", "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "services.embedded.ray_holder", str(answer)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**build_environment(os.environ), **environment},
                cwd=self._home,  # Ray takes its working folder for a place of modules
                pass_fds=[answer],
                start_new_session=True,  # an interrupt at the terminal is for the service alone
            )

    def _read_log_end(self) -> str:
        try:
            with open_own(self._home / "ray.log", "rb") as log:
                return log.read()[-500:].decode("utf-8", "replace").strip()
        except OSError as error:
            return f"its log cannot be read: {error.strerror}"

    def _ensure_token(self) -> Path:
        """The file with the cluster's token, made when there is none."""
        file = self._home / TOKEN_FILE
        if not file.exists():
            write_secret(file, secrets.token_hex(32))
        return file
