"""The process that holds a local Ray cluster: `python -m services.embedded.ray_holder FD`.

It starts a head node on ports that are free, so that several services (and other Ray clusters) can
live on one machine, writes the dashboard's address to the file descriptor, and stops the node when
its standard input ends, which happens even if its parent is killed. Ray's own command starts the
node, because `ray.init` gives no say about every port.

Ray's files are in a folder of the node's own (`services.embedded.ray_folder`): a Ray job joins the
cluster that was written last into the folder which all clusters of a machine share otherwise,
whichever it is of.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from services.embedded.ray_folder import make_ray_folder
from services.embedded.ray_logs import prune_now_and_then

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 45.0
"""Ray drains its node for up to 30 s before it ends."""
KEEP_WORKERS: Final = {"RAY_idle_worker_killing_time_threshold_ms": "60000"}
"""What Ray's environment says besides; the environment of this process goes first.

Where two jobs share the cores and more workers are there than cores, Ray ends the idle ones after a
second. A new one takes two seconds to come.
"""
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    dashboard, agent, client = find_free_ports(3)
    with make_ray_folder() as (folder, lock):
        node = start_node(folder, lock, dashboard, agent, client)
        threading.Thread(target=_stop_when_input_ends, args=[node], daemon=True).start()
        threading.Thread(target=prune_now_and_then, args=[folder], daemon=True).start()
        address = f"http://127.0.0.1:{dashboard}"
        if wait_for_answer(address, node):
            with os.fdopen(int(sys.argv[1]), "w") as answer:
                answer.write(f"{address}\n")
        status = node.wait()
    sys.exit(status)


def find_free_ports(count: int) -> list[int]:
    """Different ports that nothing listens on just now."""
    ports = []
    with ExitStack() as stack:  # all are open at once, or a port could come twice
        for _ in range(count):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(int(probe.getsockname()[1]))
    return ports


def start_node(
    folder: Path, lock: int, dashboard_port: int, agent_port: int, client_port: int
) -> subprocess.Popen[bytes]:
    """A head node in the foreground of a process of its own; it ends with this one, and holds the
    folder's lock until then."""
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    options = [
        "--head",
        "--block",
        "--disable-usage-stats",
        f"--temp-dir={folder}",
        "--node-ip-address=127.0.0.1",
        "--port=0",
        "--min-worker-port=0",
        "--max-worker-port=0",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={dashboard_port}",
        f"--dashboard-agent-listen-port={agent_port}",
        f"--ray-client-server-port={client_port}",
    ]
    return subprocess.Popen(
        [*ray, "start", *options],
        stdin=subprocess.DEVNULL,
        env=KEEP_WORKERS | os.environ,
        pass_fds=[lock],
        preexec_fn=_end_with_parent,  # noqa: PLW1509  # no other thread yet
    )


def wait_for_answer(address: str, node: subprocess.Popen[bytes]) -> bool:
    """Whether the dashboard came up. Any answer counts: without a token it is a refusal."""
    deadline = time.monotonic() + START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
    while node.poll() is None and time.monotonic() < deadline:
        try:
            opener.open(f"{address}/api/version", timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
        else:
            return True
    node.terminate()
    return False


def _stop_when_input_ends(node: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()
    node.terminate()
    try:
        node.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        node.kill()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    main()
