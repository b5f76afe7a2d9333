"""How fast `/livez` answers while strangers do their worst: the p99 of calls on new connections."""

from __future__ import annotations

import http.client
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from benchmarks.load.figures import Figure, summarize
from benchmarks.load.service import Service
from benchmarks.load.strangers import KINDS

BEGIN_SECONDS = 3.0
"""That strangers have to get going."""
USUAL_DESCRIPTORS = 1024
PAUSE_SECONDS = 0.05
"""Between two calls."""


@contextmanager
def usual_descriptors() -> Iterator[None]:
    """Processes that are started meanwhile may open as many files as most systems allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, USUAL_DESCRIPTORS), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def measure_liveness(service: Service, n: int) -> Iterator[Figure]:
    """With each kind of strangers, and with all at once."""
    yield _measure(service, n, [])
    for kind in KINDS:
        yield _measure(service, n, [kind])
    yield _measure(service, n, list(KINDS))


def _measure(service: Service, n: int, kinds: list[str]) -> Figure:
    url = urlsplit(str(service.http.base_url))
    host = url.hostname or ""
    port = url.port or 80
    key = service.http.headers["Authorization"].removeprefix("Bearer ")
    with _strangers(kinds, host, port, key):
        times = summarize([_call_livez(host, port) for _ in range(n)])
    name = "/livez, all at once" if len(kinds) > 1 else f"/livez, {kinds[0] if kinds else 'alone'}"
    return Figure(
        name=f"{name}, p99", value=times["p99"], unit="ms", at_least=1000, aim=250, details=times
    )


def _call_livez(host: str, port: int) -> float:
    """Milliseconds of a call on a connection of its own; one that is refused counts as long as its
    repetition takes."""
    time.sleep(PAUSE_SECONDS)
    begin = time.perf_counter()
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        try:
            connection.request("GET", "/livez")
            if connection.getresponse().status == 200:
                return (time.perf_counter() - begin) * 1000
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
        finally:
            connection.close()


@contextmanager
def _strangers(kinds: list[str], host: str, port: int, key: str) -> Iterator[None]:
    processes = [_start(kind, host, port, key) for kind in kinds]
    try:
        time.sleep(BEGIN_SECONDS)
        yield
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError("strangers ended before the measurement did")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _start(kind: str, host: str, port: int, key: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.load.strangers", kind, host, str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(key)
    process.stdin.close()
    return process
