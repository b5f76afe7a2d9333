"""The measurements: each puts load on a running service and tells what it saw, as figures."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import torch
from hyperadam.rates import Rate
from hyperadam.rules import DMRule, DMSpec, HyperAdamRule, HyperAdamSpec, Rule
from hyperadam.theta import Theta

from benchmarks.load import large
from benchmarks.load.figures import Figure, quantiles
from benchmarks.load.large import large_file
from benchmarks.load.service import Service, job_id
from benchmarks.load.static import static_server

ROUNDS: Final = 5
"""Of two servers in turn."""
LARGE_BYTES: Final = 10_000_000
LARGEST: Final = DMRule(DMSpec(n_hidden=64, n_layers=4))
"""The rule with the largest Θ that the service takes."""
SUBMISSIONS: Final = 3


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


def downloads(service: Service, folder: Path, n: int) -> Iterator[Figure]:
    """Weights of several sizes against a static file server in turn, and answers 304 against its
    own."""
    for name, rule in (("the usual", HyperAdamRule(HyperAdamSpec())), ("the largest", LARGEST)):
        data = theta_file(rule)
        headers = {"Content-Type": "application/octet-stream"}
        place = f"/v1/optimizers/load-{rule.spec.kind}/versions"
        made = service.http.post(place, content=data, headers=headers).raise_for_status()
        path = f"{place}/{made.json()['number']}/weights"
        yield from _beside_static(f"{name} Θ", service.http, path, folder, n)
    with large_file(LARGE_BYTES, folder.parent) as http:
        yield from _beside_static("a file", http, large.PATH, folder, n)


def _beside_static(
    name: str, http: httpx2.Client, path: str, folder: Path, n: int
) -> Iterator[Figure]:
    data = http.get(path).raise_for_status().content
    (folder / "file").write_bytes(data)
    with static_server(folder) as static:
        servers = {"ours": (http, path), "static": (static, "/file")}
        tags = {
            who: {"If-None-Match": server.get(url).headers["ETag"]}
            for who, (server, url) in servers.items()
        }
        whole, unchanged = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        for _ in range(ROUNDS):
            for who, (server, url) in servers.items():
                whole[who] += milliseconds(partial(server.get, url), n)
                unchanged[who] += milliseconds(partial(server.get, url, headers=tags[who]), n, 304)
    yield _ratio(f"{name}, {len(data):,} bytes", whole)
    yield _ratio("  not modified", unchanged)


def _ratio(name: str, taken: Mapping[str, list[float]]) -> Figure:
    ours, static = (statistics.median(taken[who]) for who in ("ours", "static"))
    details = {"ms ours": ours, "ms static": static, "ms ours p99": quantiles(taken["ours"])["p99"]}
    return Figure(name=name, value=ours / static, unit="×", at_least=2.0, aim=1.1, details=details)


def theta_file(rule: Rule[Any]) -> bytes:
    """A file of a Θ of this rule."""
    tensors = rule.init_theta(torch.Generator().manual_seed(0), "paper")
    return Theta(
        rule, {name: one.float() for name, one in tensors.items()}, Rate(lr=0.005)
    ).to_bytes()


def reads(service: Service, n_jobs: int, n: int) -> Iterator[Figure]:
    """Lists and reads of jobs, while one trains."""
    job = service.submit(n_episodes=10_000)
    service.wait_for_event(job, "progress")
    middle = f"/v1/jobs/{job_id(n_jobs // 2)}"
    calls = {
        "list, first page": "/v1/jobs",
        "list, page in the middle": f"/v1/jobs?cursor={n_jobs // 2}",
        "list, by state": "/v1/jobs?state=succeeded",
        "list, by label": "/v1/jobs?label=team:3",
        "list, by a label that none has": "/v1/jobs?label=team:none",
        "one job": middle,
        "its events": f"{middle}/events",
        "the one that trains": f"/v1/jobs/{job}",
        "its events, the newest": f"/v1/jobs/{job}/events",
        "its metrics": f"/v1/jobs/{job}/metrics?name=meta_loss",
    }
    for name, path in calls.items():
        taken = quantiles(milliseconds(lambda: service.http.get(path), n))  # noqa: B023
        yield Figure(
            name=f"{name}, p99", value=taken["p99"], unit="ms", at_least=100, aim=30, details=taken
        )
    state = service.job(job)["state"]
    if state != "running":
        raise RuntimeError(f"the job that should train meanwhile is {state}")
    service.cancel(job)


def first_update(service: Service, name: str, **bounds: float) -> Figure:
    """Seconds from an accepted submission to the first update of Θ: the median of a few, and where
    they go."""
    taken = [_first_update(service) for _ in range(SUBMISSIONS)]
    details = {moment: statistics.median(one[moment] for one in taken) for moment in taken[0]}
    return Figure(name=name, value=details.pop("first update"), unit="s", details=details, **bounds)


def _first_update(service: Service) -> dict[str, float]:
    service.wait_until_warm()
    job = service.submit(n_episodes=10)
    service.wait_for_event(job, "progress")
    submitted = datetime.fromisoformat(service.job(job)["created_at"])
    moments: dict[str, float] = {}
    for event in service.events(job):
        kind = f"to {event['data']['to']}" if event["type"] == "job.state" else event["type"]
        moments.setdefault(
            kind, (datetime.fromisoformat(event["time"]) - submitted).total_seconds()
        )
    service.cancel(job)
    names = {"to starting": "taken from the queue", "started": "begins to train"}
    return {
        meaning: moments[kind] for kind, meaning in {**names, "progress": "first update"}.items()
    }
