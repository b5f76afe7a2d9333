"""One category after the other, each by its own cut."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, select

from registry import Registry
from services.database.base import Database
from services.housekeeping.audit import prune_audit
from services.housekeeping.datasets import prune_datasets
from services.housekeeping.ended_jobs import EndedJobs, Write
from services.housekeeping.findings import Finding
from services.housekeeping.folders import prune_folders
from services.housekeeping.outcomes import prune_outcomes
from services.housekeeping.people import prune_people
from services.idempotency.tables import UsedKey
from services.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Pruner:
    """What one look, or one removal, needs."""

    settings: Settings
    database: Database
    registry: Registry
    write: Write | None = None
    dry: bool = False
    limit: int | None = None
    """Jobs of one call; None: all."""

    def prune(self, category: str, cut: datetime) -> Finding:
        """Remove what is older than `cut`; with `dry` only look."""
        jobs = EndedJobs(
            self.database, self.registry, write=self.write, dry=self.dry, limit=self.limit
        )
        if category == "jobs":
            return jobs.prune_jobs(cut)
        if category == "logs":
            return jobs.prune_logs(cut)
        if category == "events":
            return jobs.prune_events(cut)
        if category == "checkpoints":
            return jobs.prune_checkpoints(cut)
        if category == "outcomes":
            return prune_outcomes(Path(self.settings.cache_dir), cut, dry=self.dry)
        if category == "datasets":
            return prune_datasets(
                self.database, self.registry, cut, write=self.write, dry=self.dry, limit=self.limit
            )
        if category == "audit":
            return prune_audit(
                self.database,
                Path(self.settings.audit_archive),
                cut,
                write=self.write,
                dry=self.dry,
                limit=self.limit,
            )
        if category == "people":
            return prune_people(self.database, cut, write=self.write, dry=self.dry)
        if category == "processes":
            return prune_folders(
                self.database, self.settings.home, cut, dry=self.dry, limit=self.limit
            )
        return self._prune_keys(cut)

    def _prune_keys(self, cut: datetime) -> Finding:
        is_old = UsedKey.created_at < cut
        with self.database.read() as session:
            query = select(func.count()).select_from(UsedKey).where(is_old)
            n_keys = session.scalar(query) or 0
        if n_keys and not self.dry:
            with (self.write or self.database.write)() as session:
                session.execute(delete(UsedKey).where(is_old))
        return Finding(category="idempotency-keys", n_items=n_keys, unit="keys")
