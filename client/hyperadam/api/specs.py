"""`client.specs`: what a spec may be made of, and what would become of a job."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from hyperadam.api.bridge import blocking, blocking_iterator
from hyperadam.api.models import Dataset, DryRun, Preset, TaskCatalog
from hyperadam.api.session import Session, join_path


class AsyncSpecs:
    """The parts of specs. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def presets(self) -> AsyncGenerator[Preset]:
        """Named starting points, by kind."""
        return self._session.fetch_pages(Preset, join_path("presets"), page_size=None)

    def datasets(self) -> AsyncGenerator[Dataset]:
        """Datasets that a spec may name."""
        return self._session.fetch_pages(Dataset, join_path("datasets"), page_size=None)

    async def tasks(self) -> TaskCatalog:
        """Tasks to learn on, suites and baselines to compare with."""
        return await self._session.get(TaskCatalog, join_path("tasks"))

    async def dry_run(self, kind: str, spec: Mapping[str, Any]) -> DryRun:
        """What would become of a job; nothing is submitted. A spec that would be refused is no
        exception here: `errors` has the fields."""
        return await self._try(join_path("jobs"), {"kind": kind, "spec": spec})

    async def dry_run_clone(self, job_id: str, spec: Mapping[str, Any] | None = None) -> DryRun:
        """What would become of a clone (`client.jobs.clone`) with these changes of the spec;
        nothing is submitted, and errors are as those of `dry_run`."""
        return await self._try(join_path("jobs", job_id, "clone"), {"spec": spec or {}})

    async def _try(self, path: str, body: Mapping[str, Any]) -> DryRun:
        response = await self._session.request(
            "POST", path, params={"dry_run": "true"}, body=body, idempotent=True
        )
        return self._session.decode_record(DryRun, response)


class Specs:
    """The parts of specs. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, twin: AsyncSpecs) -> None:
        self._twin = twin

    presets = blocking_iterator(AsyncSpecs.presets)
    datasets = blocking_iterator(AsyncSpecs.datasets)
    tasks = blocking(AsyncSpecs.tasks)
    dry_run = blocking(AsyncSpecs.dry_run)
    dry_run_clone = blocking(AsyncSpecs.dry_run_clone)
