"""The measurements: each puts load on a running service and tells what it saw, as figures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
from benchmarks.load.figures import Figure, summarize
from benchmarks.load.large import large_file
from benchmarks.load.service import Service, make_job_id
from benchmarks.load.static import static_server

ROUNDS: Final = 5
"""Of two servers in turn."""
LARGE_BYTES: Final = 10_000_000
LARGEST: Final = DMRule(DMSpec(n_hidden=64, n_layers=4))
"""The rule with the largest Θ that the service takes."""
SUBMISSIONS: Final = 3
STAGES: Final = {
    "taken from the queue": "to starting",
    "begins to train": "started",
    "first update": "progress",
}
"""Stage of a job → the kind of event that begins it."""


@dataclass(frozen=True)
class Comparison:
    """Milliseconds of calls of the service, and of a static file server."""

    service: list[float] = field(default_factory=list)
    static: list[float] = field(default_factory=list)

    def to_figure(self, name: str) -> Figure:
        service = statistics.median(self.service)
        static = statistics.median(self.static)
        details = {
            "ms ours": service,
            "ms static": static,
            "ms ours p99": summarize(self.service)["p99"],
        }
        return Figure(
            name=name, value=service / static, unit="×", at_least=2.0, aim=1.1, details=details
        )


def measure_calls(call: Callable[[], httpx2.Response], n: int, status: int = 200) -> list[float]:
    """Milliseconds of each of `n` calls, one after another on one connection."""
    milliseconds = []
    for _ in range(n):
        begin = time.perf_counter()
        answer = call()
        milliseconds.append((time.perf_counter() - begin) * 1000)
        if answer.status_code != status:
            raise RuntimeError(f"{answer.status_code} in place of {status}: {answer.text[:500]}")
    return milliseconds


def measure_downloads(service: Service, folder: Path, n: int) -> Iterator[Figure]:
    """Weights of several sizes beside a static file server, in turn, and answers 304 likewise."""
    for name, rule in (("the usual", HyperAdamRule(HyperAdamSpec())), ("the largest", LARGEST)):
        path = _upload(service, rule)
        yield from _compare_with_static(f"{name} Θ", service.http, path, folder, n)
    with large_file(LARGE_BYTES, folder.parent) as http:
        yield from _compare_with_static("a file", http, large.PATH, folder, n)


def _upload(service: Service, rule: Rule[Any]) -> str:
    """Make a Θ of this rule a version; the path of its weights."""
    versions = f"/v1/optimizers/load-{rule.spec.kind}/versions"
    headers = {"Content-Type": "application/octet-stream"}
    answer = service.http.post(versions, content=make_theta_file(rule), headers=headers)
    number = answer.raise_for_status().json()["number"]
    return f"{versions}/{number}/weights"


def _compare_with_static(
    name: str, http: httpx2.Client, path: str, folder: Path, n: int
) -> Iterator[Figure]:
    data = http.get(path).raise_for_status().content
    (folder / "file").write_bytes(data)

    whole = Comparison()
    unchanged = Comparison()
    with static_server(folder) as static:
        get_ours = partial(http.get, path)
        get_static = partial(static.get, "/file")
        ask_ours = _ask_whether_changed(get_ours)
        ask_static = _ask_whether_changed(get_static)
        for _ in range(ROUNDS):
            whole.service.extend(measure_calls(get_ours, n))
            unchanged.service.extend(measure_calls(ask_ours, n, status=304))
            whole.static.extend(measure_calls(get_static, n))
            unchanged.static.extend(measure_calls(ask_static, n, status=304))
    yield whole.to_figure(f"{name}, {len(data):,} bytes")
    yield unchanged.to_figure("  not modified")


def _ask_whether_changed(get: Callable[..., httpx2.Response]) -> Callable[[], httpx2.Response]:
    """The same call by a client that has the file already."""
    tag = get().headers["ETag"]
    return partial(get, headers={"If-None-Match": tag})


def make_theta_file(rule: Rule[Any]) -> bytes:
    """A file of a Θ of this rule."""
    initial = rule.init_theta(torch.Generator().manual_seed(0), "paper")
    tensors = {name: tensor.float() for name, tensor in initial.items()}
    return Theta(rule, tensors, Rate(lr=0.005)).to_bytes()


def measure_reads(service: Service, n_jobs: int, n: int) -> Iterator[Figure]:
    """Lists and reads of jobs, while one trains."""
    job = service.submit(n_episodes=10_000)
    service.wait_for_event(job, "progress")

    middle = f"/v1/jobs/{make_job_id(n_jobs // 2)}"
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
        times = summarize(measure_calls(partial(service.http.get, path), n))
        yield Figure(
            name=f"{name}, p99", value=times["p99"], unit="ms", at_least=100, aim=30, details=times
        )

    state = service.get_job(job)["state"]
    if state != "running":
        raise RuntimeError(f"the job that should train meanwhile is {state}")
    service.cancel(job)


def measure_first_update(service: Service, name: str, **bounds: float) -> Figure:
    """Seconds from an accepted submission to the first update of Θ, and where they go.

    They are medians of a few submissions.
    """
    submissions = [_submit_and_wait(service) for _ in range(SUBMISSIONS)]
    medians = {
        stage: statistics.median(seconds[stage] for seconds in submissions) for stage in STAGES
    }
    value = medians.pop("first update")
    return Figure(name=name, value=value, unit="s", details=medians, **bounds)


def _submit_and_wait(service: Service) -> dict[str, float]:
    """Seconds from the submission of a job to each of its stages."""
    service.wait_until_warm()
    job = service.submit(n_episodes=10)
    service.wait_for_event(job, "progress")

    submitted_at = datetime.fromisoformat(service.get_job(job)["created_at"])
    seconds: dict[str, float] = {}
    for event in service.list_events(job):
        kind = event["type"]
        if kind == "job.state":
            kind = f"to {event['data']['to']}"
        moment = datetime.fromisoformat(event["time"])
        seconds.setdefault(kind, (moment - submitted_at).total_seconds())
    service.cancel(job)
    return {stage: seconds[kind] for stage, kind in STAGES.items()}
