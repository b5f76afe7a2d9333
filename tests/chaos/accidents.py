"""Accidents that are no kill: each happens to a service that works, and is over at the end of its
function. What ought to hold meanwhile and does not is a complaint.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.chaos.service import SERVICES, Service

STORE_SECONDS: Final = (2.0, 8.0)
KERNEL_SECONDS: Final = (4.0, 10.0)
DAY: Final = 86_400.0
CLOCKS: Final = (-365 * DAY, -DAY, -3600.0, 0.0, 3600.0, DAY, 365 * DAY)
"""Seconds by which the clock is wrong."""
NOBODY: Final = 65534
REFUSAL_SECONDS: Final = 120.0

Report = tuple[str, list[str]]
"""What happened, in a line, and complaints."""


def list_accidents() -> dict[str, Callable[[Service, random.Random], Report]]:
    """By kind, those that this user can make happen."""
    accidents = {
        "store": break_store,
        "clock": set_clock,
        "kernel": lose_kernel,
        "wal": empty_wal,
    }
    if os.geteuid() == 0:  # only root can be somebody else
        accidents["stranger"] = let_stranger_try
    return accidents


def break_store(service: Service, chance: random.Random) -> Report:
    """The folder of artifacts is not there for some seconds: in its place is a file."""
    seconds = chance.uniform(*STORE_SECONDS)
    complaints = []
    with replace_by_file(service.home / "artifacts"):
        time.sleep(seconds)
        if ask_registry(service.url) == "ok":
            complaints.append("an outage of the artifact store was not told by /readyz")
    return f"no artifact store for {seconds:.1f} s", complaints


@contextmanager
def replace_by_file(folder: Path) -> Iterator[None]:
    """Whoever reads or writes in the folder gets an error, whatever they may."""
    away = folder.with_name(f"{folder.name}.away")
    folder.rename(away)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        away.rename(folder)


def ask_registry(url: str) -> str:
    """What `/readyz` says of the registry; empty: there was no answer."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        content = error.read()
    except OSError:
        return ""
    return str(json.loads(content)["checks"]["registry"])


def set_clock(service: Service, chance: random.Random) -> Report:
    """All of the service is killed, and starts again on a clock that is ahead, behind or right."""
    offset = chance.choice([clock for clock in CLOCKS if clock != service.clock_offset])
    service.clock_offset = offset
    for name in SERVICES:
        service.kill(name)
    hours = offset / 3600
    return f"the clock is {hours:+,.0f} h from the true one", []


def lose_kernel(service: Service, chance: random.Random) -> Report:
    """The compiled kernels are gone or damaged, there is no compiler, and a driver is killed."""
    damage = chance.choice(["removed", "cut short", "overwritten"])
    libraries = sorted(service.cache.glob("hyperadam/kernels/*.so"))
    for library in libraries:
        if damage == "removed":
            library.unlink()
        else:  # another file under its name: whoever runs the old one goes on
            data = library.read_bytes()
            part = library.with_suffix(".part")
            part.write_bytes(data[:1000] if damage == "cut short" else bytes(len(data)))
            part.chmod(0o600)
            part.replace(library)
    seconds = chance.uniform(*KERNEL_SECONDS)
    service.no_compiler.touch()
    try:
        for driver in service.find_drivers(service.run_ids)[:1]:
            with suppress(ProcessLookupError):
                os.kill(driver, signal.SIGKILL)
        time.sleep(seconds)
    finally:
        service.no_compiler.unlink()
    return f"{len(libraries)} kernels {damage}, no compiler for {seconds:.1f} s", []


def empty_wal(service: Service, chance: random.Random) -> Report:
    """All of the service is killed and the job store's log of writes emptied; then it is put
    back."""
    for name in SERVICES:
        service.stop(name)
    store = service.home / "jobs.db"
    log = store.with_name("jobs.db-wal")
    n_bytes = log.stat().st_size if log.exists() else 0
    files = [path for path in service.home.glob("jobs.db*") if path.is_file()]
    backup = service.home / "backup"
    backup.mkdir()
    for file in files:
        shutil.copy2(file, backup / file.name)
    complaints = []
    try:
        if n_bytes:
            count = read_count(store)
            os.truncate(log, 0)
            if read_count(store) != count:
                complaints = check_refusal(service)
    finally:
        for file in service.home.glob("jobs.db*"):
            file.unlink()
        for file in files:
            shutil.copy2(backup / file.name, file)
        shutil.rmtree(backup)
        for name in SERVICES:
            service.start(name)
    return f"{n_bytes} bytes of writes lost, and put back", complaints


def read_count(store: Path) -> int:
    """How far a job store has come; 0 where it has no tables any more. Opens a copy."""
    with tempfile.TemporaryDirectory() as folder:
        for file in store.parent.glob("jobs.db*"):
            shutil.copy2(file, folder)
        with closing(sqlite3.connect(Path(folder, store.name))) as connection:
            try:
                row = connection.execute("SELECT value FROM facts WHERE name = 'mark'").fetchone()
            except sqlite3.OperationalError:
                return 0
    return int(row[0]) if row else 0


def check_refusal(service: Service) -> list[str]:
    """A reconciler must not go on with a job store that has lost writes."""
    command = service.build_command("reconciler")
    done = subprocess.run(
        ["timeout", str(REFUSAL_SECONDS), *command],
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 1 and "has lost" in done.stderr:
        return []
    said = (done.stderr or done.stdout)[-300:]
    return [f"an emptied WAL was not noticed: exit {done.returncode}, {said!r}"]


def let_stranger_try(service: Service, chance: random.Random) -> Report:
    """Another user of the machine tries to read, plant and kill."""
    pids = [process.pid for process in service.processes.values()]
    pids += service.find_drivers(service.run_ids)
    folders = [service.home, service.cache, service.nodes.folder]
    attempts = list_attempts(folders, [service.home / "api-key"], pids)
    complaints = []
    for attempt in attempts:
        done = subprocess.run(
            attempt, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
        )
        if done.returncode == 0:
            complaints.append(f"another user could {' '.join(attempt)}")
    return f"another user tried {len(attempts)} things", complaints


def list_attempts(
    folders: Sequence[Path], secrets: Sequence[Path], pids: Sequence[int]
) -> list[list[str]]:
    """Commands, each of which must fail."""
    attempts = []
    for folder in folders:
        attempts.append(["/bin/ls", str(folder)])
        attempts.append(["/bin/ln", "-s", "/etc/hostname", str(folder / "planted")])
    attempts += [["/bin/cat", str(secret)] for secret in secrets]
    for pid in pids:
        attempts.append(["/bin/kill", "-9", str(pid)])
        attempts.append(["/bin/cat", f"/proc/{pid}/environ"])
    return attempts
