"""How much a job keeps in the registry, measured when one of its attempts ends."""

from __future__ import annotations

import logging

from meta_trainer.studies.ledger import list_trial_runs
from registry import Registry, RegistryError

logger = logging.getLogger(__name__)


def measure_stored(registry: Registry, run_id: str) -> int | None:
    """Bytes of the files of a run and of those of its trials; None: the registry does not say."""
    try:
        runs = [run_id, *list_trial_runs(registry, run_id)]
        return sum(file.size_bytes for run in runs for file in registry.list_artifacts(run))
    except RegistryError as error:
        logger.warning("the files of run %s could not be measured: %s", run_id, error)
        return None
