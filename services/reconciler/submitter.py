"""Hands an attempt over: its job's run is opened, the driver's order lies in it, and the executor
has the process."""

from __future__ import annotations

import json
import logging
from typing import Any

from hyperadam.names import split_ref

from registry import Registry
from services.auth.submitters import find_submitter
from services.database.base import Database
from services.executors.contract import Executor
from services.jobs import changes, queries
from services.optimizers.owners import may_write
from services.projects.tables import Project
from services.reconciler.environment import driver_environment
from services.reconciler.lease import LeaseHolder
from services.reconciler.snapshots import Snapshot, locked_rows
from services.settings import Settings

logger = logging.getLogger(__name__)


class Submitter:
    """Each effect may be repeated; the row that records them comes last."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        registry: Registry,
        executor: Executor,
        lease: LeaseHolder,
    ) -> None:
        self._settings = settings
        self._database = database
        self._registry = registry
        self._executor = executor
        self._lease = lease

    def submit(self, snapshot: Snapshot) -> None:
        """Start the attempt's driver."""
        run_id = self._registry.open_run(
            snapshot.job_id,
            name=snapshot.run_name,
            tags={"kind": snapshot.kind},
        )
        if snapshot.attempt > 1:  # it may be a retry of a job that had ended
            self._registry.close_run(run_id, "running")
        order = self._make_order(snapshot)
        self._registry.put_artifact(run_id, "job.json", json.dumps(order).encode())

        argv = [self._settings.python, "-m", "meta_trainer.driver"]
        argv += ["--run-id", run_id]
        argv += ["--attempt", str(snapshot.attempt)]
        environment = driver_environment(self._settings) | self._limit_cores(snapshot)
        self._executor.submit(snapshot.executor_id, argv, environment)
        with locked_rows(self._lease, snapshot) as rows:
            changes.record_submission(rows.job, rows.attempt, run_id)
        logger.info("submitted %s", snapshot.executor_id)

    def _make_order(self, snapshot: Snapshot) -> dict[str, Any]:
        """What the driver is told by `job.json`."""
        order: dict[str, Any] = {
            "job_id": snapshot.job_id,
            "kind": snapshot.kind,
            "name": snapshot.name,
            "spec": snapshot.spec,
        }
        if snapshot.spec.get("promote"):
            order["asks"] = True
        if snapshot.kind == "evaluation":
            order["attach_to"] = self._list_own(snapshot)
        continuation = snapshot.spec.get("continue_from")
        if continuation is not None:
            order["original_run_id"] = self._find_run(continuation["job"])
        if snapshot.spec.get("warm_start") is not None:
            order["original_run_id"] = self._find_run(snapshot.spec["warm_start"])
        return order

    def _list_own(self, snapshot: Snapshot) -> list[str]:
        """Of the optimizers that are evaluated, those whose versions its submitter may add to."""
        with self._database.read() as session:
            job = queries.find_job(session, snapshot.job_id)
            principal = None if job is None else find_submitter(session, job)
        names = sorted({split_ref(ref)[0] for ref in snapshot.spec.get("optimizers", ())})
        if job is None or job.api_key_id is None:  # being deleted, or of an earlier version
            return names
        if principal is None:
            return []
        return [
            name for name in names if may_write(self._database, self._registry, name, principal)
        ]

    def _limit_cores(self, snapshot: Snapshot) -> dict[str, str]:
        """What keeps a job within the cores of its project. A study asks for its own by itself."""
        with self._database.read() as session:
            job = queries.find_job(session, snapshot.job_id)
            project = None if job is None else session.get(Project, job.project)
        if job is None or project is None or project.max_cores is None or job.kind == "study":
            return {}
        return {"HYPERADAM_MAX_WORKERS": str(job.n_cores or 1)}

    def _find_run(self, job_id: str) -> str | None:
        """The run of another job; None if it was deleted."""
        with self._database.read() as session:
            job = queries.find_job(session, job_id)
            return job.run_id if job else None
