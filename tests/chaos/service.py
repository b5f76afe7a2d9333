"""A whole service of processes that may be killed: an API, two reconcilers, a Ray cluster.

One of the reconcilers works. Whatever of the service's own processes ends is started again, as
systemd or Kubernetes would; all share one home.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hyperadam import Client
from hyperadam.api.retry import RetryPolicy

from services.embedded.ray_holder import find_free_ports
from tests.meta_trainer.faults.cluster import Nodes

N_NODES: Final = 2
SERVICES: Final = ("api", "reconciler-1", "reconciler-2")


class Service:
    """The processes, by name, and a client of theirs."""

    def __init__(self, home: Path, nodes: Nodes) -> None:
        [port] = find_free_ports(1)
        self._home = home
        self.nodes = nodes
        self._environment = {
            **os.environ,
            "HYPERADAM_HOME": str(home),
            "HYPERADAM_PORT": str(port),
            "HYPERADAM_MAX_RUNNING_JOBS": "2",
            "HYPERADAM_MAX_ATTEMPTS": "100",
            "HYPERADAM_LEASE_SECONDS": "11",
            "HYPERADAM_POLL_SECONDS": "0.2",
            "RAY_ADDRESS": nodes.dashboard_url,
        }
        self._run("migrate")
        key = self._run("keys", "create", "chaos", "--scope", "admin").strip()
        self.processes = {name: self._start(name) for name in SERVICES}
        patience = RetryPolicy(n_attempts=300, max_delay_seconds=1.0)
        self.client = Client(url=f"http://127.0.0.1:{port}", api_key=key, retry=patience)

    def kill(self, name: str) -> None:
        """kill -9, and another in its place."""
        self.processes[name].kill()
        self.processes[name].wait()
        self.processes[name] = self._start(name)

    def find_drivers(self, run_ids: Collection[str]) -> list[int]:
        """Ids of the processes that drive these runs."""
        pids = []
        for pid, words in _list_commands():
            is_driver = words[0] == sys.executable and "meta_trainer.driver" in words
            if is_driver and not set(words).isdisjoint(run_ids):
                pids.append(pid)
        return pids

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "services.cli", name.partition("-")[0]]
        with (self._home / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "services.cli", *arguments]
        return subprocess.run(
            command, env=self._environment, check=True, capture_output=True, text=True
        ).stdout

    def close(self) -> None:
        self.client.close()
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(60)


@contextmanager
def run_service(home: Path) -> Iterator[Service]:
    """A service on a home of its own, and a cluster of `N_NODES` worker nodes."""
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
