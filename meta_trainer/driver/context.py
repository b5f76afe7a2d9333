"""A job as its driver sees it: what is asked, and with what it is carried out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from meta_trainer.runners import Runner
from meta_trainer.runs.run_recorder import RunRecorder
from registry import Registry


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `job.json` says."""

    job_id: str
    kind: str
    name: str | None
    spec: dict[str, Any]
    original_run_id: str | None = None
    """The run of the job that a meta-training continues; None: there is none, or it was deleted."""

    asks: bool = False
    """Whether the service is to be asked before an alias is moved."""
    attach_to: tuple[str, ...] | None = None
    """The optimizers whose versions an evaluation may attach its summary to; None: all."""

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        content = json.loads(data)
        attach_to = content.get("attach_to")
        return cls(
            job_id=content.get("job_id"),
            kind=content.get("kind"),
            name=content.get("name"),
            spec=content.get("spec"),
            original_run_id=content.get("original_run_id"),
            asks=bool(content.get("asks")),
            attach_to=None if attach_to is None else tuple(attach_to),
        )


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """What a job is carried out with."""

    registry: Registry
    connect: Callable[[], Registry]
    """The same registry, from another process; travels to wherever trials of a study run."""
    run_id: str
    recorder: RunRecorder
    runner: Runner
    data_dir: str | None
    """Folder of datasets."""
    cache_dir: str | None
    """Folder of this machine for what can be computed again: tuned rates and what became of
    starts."""
    should_stop: Callable[[], bool]
