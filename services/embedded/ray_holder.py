"""The process that holds a local Ray cluster: `python -m services.embedded.ray_holder FD`.

It starts Ray, writes the dashboard's address to the file descriptor, and stops Ray when its standard input ends, which
happens even if its parent is killed. A process of its own, because Ray ends its process when its head is lost, and
because Linux kills Ray's processes when the very thread that started them ends.
"""

from __future__ import annotations

import os
import sys

import ray


def main() -> None:
    context = ray.init(
        address="local",  # never a cluster that something else left behind
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        log_to_driver=False,
    )
    with os.fdopen(int(sys.argv[1]), "w") as answer:
        answer.write(f"http://{context.dashboard_url}\n")
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
