"""A Ray cluster of several nodes on this machine: real processes, found and hurt from outside by
their ids."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import ray
from ray._common.utils import get_default_ray_temp_dir
from ray._private import ray_constants
from ray._private.utils import write_ray_address
from ray.cluster_utils import Cluster

from services.embedded.ray_holder import find_free_ports

FORGIVEN: Final = "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
"""A warning that Ray's `Cluster` causes: it leaves sockets to the garbage collector."""
STORE_BYTES: Final = 100 << 20
SYSTEM: Final = {
    "worker_niceness": 0,
    "worker_register_timeout_seconds": 600,
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 5,
    "process_group_cleanup_enabled": False,
}
"""A node that does not answer is given up after seconds, not half a minute. Workers take their
share of a busy machine: by default, Ray starts them with a niceness of 15, and again after a minute
in which they did not get as far as to register, which beside other work is for ever. And no node
kills the process group of a worker that is gone: had it none of its own yet, that would be the
group of the tests."""


class Nodes:
    """A head without cores, on which the driver is, and numbered worker nodes of one core each."""

    def __init__(self, n_workers: int, *, dashboard: bool = False) -> None:
        """
        Args:
            dashboard: whether the head has one, which takes Ray Jobs at `dashboard_url`.
        """
        self._private = Path(tempfile.mkdtemp(prefix="ray-"))
        self.folder = self._private / "r"  # Ray lets everybody write into its own
        head: dict[str, Any] = {
            "num_cpus": 0,
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
            "_system_config": SYSTEM,
        }
        head["temp_dir"] = str(self.folder)
        Path(get_default_ray_temp_dir()).mkdir(
            parents=True, exist_ok=True
        )  # `Cluster` writes there, too
        self.dashboard_url = ""

        def start() -> Cluster:
            if dashboard:  # on other ports at every try: a failed one may still have its own
                port, agent = find_free_ports(2)
                ports = {"dashboard_port": port, "dashboard_agent_listen_port": agent}
                head.update({"include_dashboard": True, **ports})
                self.dashboard_url = f"http://127.0.0.1:{port}"
                ray_constants.RAY_DASHBOARD_STARTUP_TIMEOUT_S = (
                    300  # not 60, short on a busy machine
                )
            return Cluster(initialize_head=True, head_node_args=head)

        self._cluster = patiently(start)
        # A Ray job joins the cluster that is written in this folder, which may not be that of
        # another on this machine.
        write_ray_address(self._cluster.address, str(self.folder))
        self._nodes: dict[int, Any] = {}
        for _ in range(n_workers):
            self.join()
        ray.init(address=self._cluster.address, configure_logging=False, log_to_driver=False)
        self._cluster.wait_for_nodes()

    def join(self, **environment: str) -> int:
        """Add a worker node, whose workers have these variables besides; returns its number, the
        lowest that is free."""
        number = next(i for i in range(100) if i not in self._nodes)
        self._nodes[number] = patiently(
            lambda: self._cluster.add_node(
                wait=False,
                num_cpus=1,
                object_store_memory=STORE_BYTES,
                env_vars=environment or None,
            )
        )
        return number

    def kill(self, number: int) -> None:
        """End all processes of a node at once: its workers, and its part of the object store with
        all that is in it."""
        self._cluster.remove_node(self._nodes.pop(number), allow_graceful=False)

    def restart_head(self) -> None:
        """kill -9 of the head's own process (GCS), and another in its place, which finds its state
        in Redis."""
        head = self._cluster.head_node
        os.kill(head.all_processes["gcs_server"][0].process.pid, signal.SIGKILL)
        head.kill_gcs_server(check_alive=False)
        head.start_gcs_server()

    def restore_one(self, n_workers: int) -> None:
        """Join a node, without waiting for it, if there are fewer."""
        if len(self._nodes) < n_workers:
            self.join()

    def restore(self, n_workers: int) -> None:
        """Join nodes until there are so many again, and wait for them."""
        while len(self._nodes) < n_workers:
            self.join()
        until(lambda: ray.cluster_resources().get("CPU", 0) == n_workers)

    def node_of(self, reference: Any) -> int:
        """The number of a node that holds an object."""
        holders = ray.experimental.get_object_locations([reference])[reference]["node_ids"]
        return next(number for number, node in self._nodes.items() if node.node_id in holders)

    @property
    def numbers(self) -> list[int]:
        return sorted(self._nodes)

    def busy_worker(self, number: int, seconds: float = 60) -> int:
        """The id of a process of this node that carries out a period, as soon as there is one. One
        that validates may be left over from a call that was repeated elsewhere."""
        until(lambda: bool(self._workers(number, "ray::run_period")), seconds)
        return self._workers(number, "ray::run_period")[0]

    def busy_workers(self, number: int) -> list[int]:
        """The ids of the processes of this node that carry out units of work now."""
        return self._workers(number, "ray::run_")

    def _workers(self, number: int, title: str) -> list[int]:
        return [pid for pid in self._children(number) if _title(pid).startswith(title)]

    def list_agents(self) -> list[int]:
        """The ids of the processes, of any node, in which agents live."""
        nodes = [self._cluster.head_node, *self._nodes.values()]
        children = [child for node in nodes for child in self._children_of(node)]
        return [pid for pid in children if _title(pid).startswith("ray::AgentProcess")]

    def _children(self, number: int) -> list[int]:
        return self._children_of(self._nodes[number])

    def _children_of(self, node: Any) -> list[int]:
        raylet = node.all_processes["raylet"][0].process.pid
        return [
            int(child)
            for child in Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
        ]

    def close(self) -> None:
        ray.shutdown()
        self._cluster.shutdown()
        shutil.rmtree(self._private, ignore_errors=True)


def patiently(start: Callable[[], Any], tries: int = 3) -> Any:
    """What `start` gives. Ray leaves the processes of a node 30 s to start, which is short on a
    busy machine."""
    for _ in range(tries - 1):
        try:
            return start()
        except Exception as error:  # Ray raises no other class here
            if "timed out during startup" not in str(error):
                raise
    return start()


class Slowed:
    """A process that gets 1 / `factor` of its time: stopped and continued in turn."""

    def __init__(self, pid: int, factor: float) -> None:
        self._pid = pid
        self._factor = factor
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                os.kill(self._pid, signal.SIGSTOP)
                self._over.wait(0.1 * (self._factor - 1))
                os.kill(self._pid, signal.SIGCONT)
                self._over.wait(0.1)
        except ProcessLookupError:
            pass

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def until(condition: Callable[[], bool], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""
