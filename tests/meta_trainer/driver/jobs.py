"""Jobs for the driver, and what an attempt left of them in the registry."""

from __future__ import annotations

import json
from typing import Any

from registry import Registry
from tests.meta_trainer.conftest import TINY


def open_job(registry: Registry, kind: str = "meta-training", **spec: Any) -> str:
    """The run of a new job, which holds its `job.json`."""
    run_id = registry.open_run("job_1", name="test")
    job = {"job_id": "job_1", "kind": kind, "name": None, "spec": spec or TINY}
    registry.put_artifact(run_id, "job.json", json.dumps(job).encode())
    return run_id


def read_done(registry: Registry, run_id: str, attempt: int = 1) -> dict[str, Any]:
    """The last word of an attempt."""
    data = registry.get_artifact(run_id, f"attempts/{attempt:04d}/done.json")
    return dict(json.loads(data))


def read_events(registry: Registry, run_id: str) -> list[dict[str, Any]]:
    """All events of a run, in order."""
    events: list[dict[str, Any]] = []
    for file in registry.list_artifacts(run_id, "events"):
        lines = registry.get_artifact(run_id, file.path).splitlines()
        events += [json.loads(line) for line in lines]
    return events
