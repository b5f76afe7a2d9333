"""A whole service of processes that may be killed: an API, two reconcilers, a Ray cluster.

One of the reconcilers works. Whatever of the service's own processes ends is started again, as
systemd or Kubernetes would; all share one home.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hyperadam import Client
from hyperadam.api.retry import RetryPolicy

from services.embedded.ray_holder import find_free_ports
from tests.endings import ENVIRONMENT, end_all
from tests.meta_trainer.faults.cluster import Nodes
from tests.services.homes import make_home

N_NODES: Final = 2
COMPILER: Final = """#!/bin/sh
[ -e {marker} ] && exit 1
exec cc "$@"
"""
SERVICES: Final = ("api", "reconciler-1", "reconciler-2")


class Service:
    """The processes, by name, and a client of theirs."""

    def __init__(self, home: Path, nodes: Nodes) -> None:
        [port] = find_free_ports(1)
        self.home: Final = home
        self.cache: Final = home / "cache"
        self.no_compiler: Final = home / "no-compiler"
        self.nodes = nodes
        self.url: Final = f"http://127.0.0.1:{port}"
        self.clock_offset = 0.0
        """Seconds by which the service's clock is ahead."""
        self.run_ids: Collection[str] = ()
        """Of the jobs that have not ended, as they were last seen."""
        self.environment: Final = {
            **os.environ,
            **ENVIRONMENT,
            "HYPERADAM_HOME": str(home),
            "HYPERADAM_PORT": str(port),
            "HYPERADAM_MAX_RUNNING_JOBS": "2",
            "HYPERADAM_MAX_ATTEMPTS": "100",
            "HYPERADAM_LEASE_SECONDS": "11",
            "HYPERADAM_POLL_SECONDS": "0.2",
            "RAY_ADDRESS": nodes.dashboard_url,
        }
        key = make_home(home, "chaos")
        (home / "api-key").touch(mode=0o600)
        (home / "api-key").write_text(key)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in SERVICES:
            self.start(name)
        patience = RetryPolicy(n_attempts=300, max_delay_seconds=1.0)
        self.client = Client(url=self.url, api_key=key, retry=patience)

    def stop(self, name: str) -> None:
        """kill -9."""
        self.processes[name].kill()
        self.processes[name].wait()

    def kill(self, name: str) -> None:
        """kill -9, and another in its place."""
        self.stop(name)
        self.start(name)

    def find_drivers(self, run_ids: Collection[str]) -> list[int]:
        """Ids of the processes that drive these runs."""
        pids = []
        for pid, words in _list_commands():
            is_driver = words[0] == sys.executable and "meta_trainer.driver" in words
            if is_driver and not set(words).isdisjoint(run_ids):
                pids.append(pid)
        return pids

    def build_command(self, name: str) -> list[str]:
        """What runs a part of the service, on the clock as it is."""
        part = name.partition("-")[0]
        if not self.clock_offset:
            return [sys.executable, "-m", "services.cli", part]
        offset = str(self.clock_offset)
        return [sys.executable, "-m", "tests.chaos.wrong_clock", offset, part]

    def start(self, name: str) -> None:
        """Begin a part of the service."""
        with self._find_log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.build_command(name),
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def close(self) -> None:
        self.client.close()
        end_all(self.processes, {name: self._find_log(name) for name in self.processes})

    def _find_log(self, name: str) -> Path:
        return self.home / f"{name}.log"


@contextmanager
def run_service(home: Path) -> Iterator[Service]:
    """A service on a home of its own, and a cluster of `N_NODES` worker nodes, with a cache of
    kernels and a compiler of their own."""
    compiler = home / "cc"
    compiler.write_text(COMPILER.format(marker=home / "no-compiler"))
    compiler.chmod(0o700)
    (home / "cache").mkdir()
    os.environ.update({"CC": str(compiler), "XDG_CACHE_HOME": str(home / "cache")})
    nodes = Nodes(N_NODES, dashboard=True)
    try:
        service = Service(home, nodes)
        try:
            yield service
        finally:
            service.close()
    finally:
        nodes.close()


def _list_commands() -> Iterator[tuple[int, list[str]]]:
    """Process ids and command lines."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().decode()
        except OSError:  # it ended meanwhile
            continue
        yield int(folder.name), command.split("\0")
