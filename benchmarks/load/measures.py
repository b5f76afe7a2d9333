"""The measurements: each puts load on a running service and tells what it saw."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import torch
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hyperadam.theta import Theta

from benchmarks.load.service import job_id, wait

ROUNDS: Final = 5
"""Of two servers in turn."""


def quantiles(taken: list[float]) -> dict[str, float]:
    """Milliseconds of many calls."""
    ordered = sorted(taken)
    last = len(ordered) - 1
    return {"p50_ms": statistics.median(ordered), "p99_ms": ordered[round(0.99 * last)], "n": len(ordered)}


def milliseconds(call: Callable[[], httpx2.Response], n: int, status: int = 200) -> list[float]:
    """Of each of `n` calls, one after another on one connection."""
    taken = []
    for _ in range(n):
        begin = time.perf_counter()
        answer = call()
        taken.append((time.perf_counter() - begin) * 1000)
        if answer.status_code != status:
            raise RuntimeError(f"{answer.status_code} in place of {status}: {answer.text[:500]}")
    return taken


@contextmanager
def static_server(folder: Path) -> Iterator[httpx2.Client]:
    """The files of a folder, served by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load.static", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with httpx2.Client(base_url=process.stdout.readline().strip(), timeout=60) as client:
                wait(lambda: _answers(client), 60)
                yield client
        finally:
            process.kill()


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/").status_code > 0
    except httpx2.TransportError:
        return False


def downloads(service: httpx2.Client, folder: Path, n: int) -> dict[str, Any]:
    """Weights of the usual and of the largest size, against a static file server in turn; and answers 304."""
    found: dict[str, Any] = {}
    for name, data in (("small", _theta(20)), ("large", _theta(64))):
        (folder / name).write_bytes(data)
        headers = {"Content-Type": "application/octet-stream"}
        made = service.post(f"/v1/optimizers/{name}/versions", content=data, headers=headers)
        path = f"/v1/optimizers/{name}/versions/{made.raise_for_status().json()['number']}/weights"
        etag = service.get(path).headers["ETag"]
        with static_server(folder) as static:
            ours, theirs, unchanged = list[float](), list[float](), list[float]()
            for _ in range(ROUNDS):
                ours += milliseconds(lambda: service.get(path), n)  # noqa: B023
                theirs += milliseconds(lambda: static.get(f"/{name}"), n)  # noqa: B023
                conditional = {"If-None-Match": etag}
                unchanged += milliseconds(lambda: service.get(path, headers=conditional), n, 304)  # noqa: B023
        found[f"{name}, {len(data):,} bytes"] = {
            "weights": quantiles(ours),
            "static": quantiles(theirs),
            "ratio of medians": statistics.median(ours) / statistics.median(theirs),
            "not modified": quantiles(unchanged),
        }
    return found


def _theta(n_candidates: int) -> bytes:
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=n_candidates))
    tensors = rule.init_theta(torch.Generator().manual_seed(0), "paper")
    return Theta(rule, {name: one.float() for name, one in tensors.items()}, 0.005, {}).to_bytes()


def reads(service: httpx2.Client, n_jobs: int, n: int) -> dict[str, Any]:
    """The list of jobs and reads of one, while a job trains."""
    job = submit(service, n_episodes=10_000)
    wait(lambda: service.get(f"/v1/jobs/{job}").json()["progress"] > 0, 300)
    middle = f"/v1/jobs/{job_id(n_jobs // 2)}"
    calls = {
        "list, first page": "/v1/jobs",
        "list, page in the middle": f"/v1/jobs?cursor={n_jobs // 2}",
        "list, by state": "/v1/jobs?state=succeeded",
        "list, by label": "/v1/jobs?label=team:3",
        "one job": middle,
        "its events": f"{middle}/events",
    }
    found = {name: quantiles(milliseconds(lambda: service.get(path), n)) for name, path in calls.items()}  # noqa: B023
    still = service.get(f"/v1/jobs/{job}").json()["state"]
    service.post(f"/v1/jobs/{job}/cancel").raise_for_status()
    wait(lambda: service.get(f"/v1/jobs/{job}").json()["ended_at"], 300)
    return {**found, "the job meanwhile": still}


def first_update(service: httpx2.Client) -> dict[str, float]:
    """Seconds from a submission to the first update of Θ, and where they go."""
    job = submit(service, n_episodes=1, validation={"n_learners": 1})
    wait(lambda: service.get(f"/v1/jobs/{job}").json()["ended_at"], 300)
    submitted = datetime.fromisoformat(service.get(f"/v1/jobs/{job}").json()["created_at"])
    moments = {}
    for event in service.get(f"/v1/jobs/{job}/events", params={"limit": 1000}).json()["items"]:
        kind = f"to {event['data']['to']}" if event["type"] == "job.state" else event["type"]
        moments.setdefault(kind, (datetime.fromisoformat(event["time"]) - submitted).total_seconds())
    names = {"to starting": "taken from the queue", "started": "the driver begins to train"}
    names |= {"validation": "first validation", "progress": "first update"}
    return {meaning: moments[kind] for kind, meaning in names.items()}


def submit(service: httpx2.Client, **spec: Any) -> str:
    """A job of the quick preset; returns its id."""
    tiny = {"preset": "quick", "task": {"activations": ["sigmoid"]}, **spec}
    answer = service.post("/v1/jobs", json={"kind": "meta-training", "spec": tiny})
    return str(answer.raise_for_status().json()["id"])
