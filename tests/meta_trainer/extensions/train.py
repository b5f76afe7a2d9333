"""Train by the driver what a distribution beside us installed, and print what became of it: run by
`test_extensions.py` in a process of its own, since extensions are read once."""

from __future__ import annotations

import json
import logging
import sys

from hyperadam.theta import Theta
from pydantic import ValidationError

from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.schema import build_schemas
from meta_trainer.tasks.costs import estimate_cost
from registry.memory import InMemoryRegistry
from services.app import create_app
from services.catalog.tasks import list_tasks
from services.container import Container
from services.database.base import Database
from services.settings import Settings

SPEC = {
    "rule": {"kind": "blend", "decay": 0.5},
    "tasks": {"listed": {"tasks": [{"kind": "bowl", "n_coordinates": 3}]}},
    "unroll": {"horizon": 8, "period": 4, "rate": {"lr": 0.05}},
    "validation": {"every_episodes": 2, "n_learners": 4},
    "meta_optimizer": {"rate": 0.1, "warmup_updates": 0},
    "tricks": {"random_scaling": 0, "convex_scaling": 0},
    "n_learners": 4,
    "chunk_size": 2,
    "n_episodes": 10,
}


def train() -> dict[str, object]:
    spec = MetaTrainingSpec.model_validate(SPEC)
    registry = InMemoryRegistry()
    run_id = registry.open_run("job_1", name="")
    job = {"job_id": "job_1", "kind": "meta-training", "spec": spec.model_dump(mode="json")}
    registry.put_artifact(run_id, "job.json", json.dumps(job).encode())
    settings = DriverSettings(tracking_uri="memory", runner="in-process")
    succeeded = run_attempt(registry, run_id, 1, settings)
    version = registry.version("blend", "1")
    theta = Theta.from_bytes(registry.weights("blend", 1))
    metrics = version.manifest["provenance"]["metrics"]
    return {
        "succeeded": succeeded,
        "rule": theta.rule.kind,
        "gain": metrics["initial_validation_loss"] - metrics["validation_loss"],
        "provenance": version.manifest["provenance"],
        "core_seconds": estimate_cost(spec).core_seconds,
    }


def refuse() -> str:
    try:
        MetaTrainingSpec.model_validate(
            {**SPEC, "tasks": {"listed": {"tasks": [{"kind": "bowl", "n_coordinates": 0}]}}}
        )
    except ValidationError as error:
        return str(error.errors()[0]["loc"][-1])
    return ""


def main() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    settings = Settings(executor="process")
    create_app(
        Container(
            settings=settings,
            database=Database(settings.database_url),
            registry=InMemoryRegistry(),
        )
    )
    result = {
        "trained": train(),
        "refused": refuse(),
        "catalog": list_tasks().model_dump(mode="json"),
        "schema": build_schemas()["BowlTaskSpec"]["properties"]["n_coordinates"],
    }
    print(json.dumps(result))  # noqa: T201


if __name__ == "__main__":
    main()
