"""The folder of an embedded service: one service at a time, and what local commands find there.

| file | what |
|---|---|
| `lock` | held by the service while it runs |
| `server.json` | `{"url", "pid", "api_key_file", "proof_key_file"}`, while it runs |
| `api-key` | the key that was made on the first start; mode 0600 |
| `proof-key` | by which the service proves to local commands that it is this home's; mode 0600 |
| `jobs.db`, `mlflow.db`, `artifacts/` | job store and registry |
| `jobs.db.mark` | how far the job store had come: it is seen if it has lost writes |
| `data/` | datasets |
| `processes/`, `standby/`, `ray-token`, `ray.log` | of the executors |
| `restoring` | while a backup is put into it; a service opens no such home |
| `registry-password` | for drivers, where the registry has one; mode 0600 |
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from services.own_files import open_own
from services.secret_files import write_secret

KEY_FILE: Final = "api-key"
PROOF_KEY_FILE: Final = "proof-key"
SERVER_FILE: Final = "server.json"
RESTORING_FILE: Final = "restoring"


class HomeInUse(Exception):
    """Another service runs on this home."""


class UnusableHome(Exception):
    """The folder cannot be a home."""


def check_restored(folder: Path) -> None:
    """
    Raises:
        UnusableHome: a backup was put into it, or is, but not to the end.
    """
    if (folder / RESTORING_FILE).exists():
        raise UnusableHome(
            f"{folder} is half restored from a backup: repeat `hyperadam-server restore`"
        )


class Home:
    """One such folder."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self.key_file: Final = folder / KEY_FILE
        self._server_file = folder / SERVER_FILE

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make the folder if need be, and keep every other service off it.

        Raises:
            HomeInUse: with the URL of the other service, if that says so.
            UnusableHome: it cannot be written, is no folder, or others may write into it.
        """
        with self._open_lock() as lock_file:
            try:
                fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = self._describe_holder()
                raise HomeInUse(f"a service already runs on {self.folder}{holder}") from error

            self._server_file.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._server_file.unlink(missing_ok=True)

    def _open_lock(self) -> IO[bytes]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.folder.stat().st_mode & stat.S_IWOTH:
                raise UnusableHome(
                    f"every user of this machine may write into {self.folder}: "
                    f"`chmod o-w {self.folder}`, or take another --home"
                )
            return open_own(self.folder / "lock", "wb")
        except FileExistsError as error:
            raise UnusableHome(
                f"{self.folder} is a file, not a folder: take another --home"
            ) from error
        except OSError as error:
            raise UnusableHome(f"cannot write into {self.folder}: {error.strerror}") from error

    def announce(self, url: str) -> None:
        """Tell local commands where the service is."""
        content = json.dumps(
            {
                "url": url,
                "pid": os.getpid(),
                "api_key_file": KEY_FILE,
                "proof_key_file": PROOF_KEY_FILE,
            }
        )
        part = self._server_file.with_suffix(".part")
        part.write_text(content)
        part.replace(self._server_file)

    def load_proof_key(self) -> str:
        """By which the service proves itself; one and the same at every start."""
        file = self.folder / PROOF_KEY_FILE
        if not file.exists():
            write_secret(file, secrets.token_hex(32))
        with open_own(file, "rb") as opened:
            return opened.read().decode("ascii").strip()

    def keep_key(self, key: str) -> None:
        """Leave the key where only this user can read it."""
        write_secret(self.key_file, key)

    def _describe_holder(self) -> str:
        """The service that runs here, as the end of a sentence; empty if it says nothing."""
        try:
            server = json.loads(self._server_file.read_text())
            return f": {server['url']} (process {server['pid']})"
        except (OSError, ValueError, KeyError):
            return ""
