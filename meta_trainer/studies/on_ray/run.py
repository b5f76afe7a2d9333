"""A study on Ray Tune, from its first trial to its last one."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import ray
from ray import tune

from meta_trainer.runners.ray_places import list_places
from meta_trainer.specs.study_parts import ResourcesSpec
from meta_trainer.studies.conductor import Conductor
from meta_trainer.studies.on_ray.desk import Desk
from meta_trainer.studies.on_ray.messages import NothingRuns, Proposals, Watcher
from meta_trainer.studies.on_ray.schedulers import make_scheduler
from meta_trainer.studies.on_ray.trainable import Tools, TrialTrainable

_SETTINGS: Final = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "256",
    "RAY_AIR_NEW_OUTPUT": "0",
}
"""Tune is asked not to write reports of its own, nor to take SIGINT for itself, nor to fail over a
trial that comes back without metrics, as one that pauses does; and to start trials side by side,
not one after the other."""
_ENDLESS: Final = 10**9
"""Trials that Tune would take; how many there are is the conductor's matter."""


def run_trials(conductor: Conductor, tools: Tools, folder: str | None) -> None:
    """Run the study until its conductor says that it is over.

    Args:
        folder: for Tune's own files; with PBT and several machines, one that all of them see. None:
            a temporary one.

    Raises:
        NoRoom: no trial found a place, or none that has the study's kernel.
    """
    with _connected(), _tune_folder(folder) as storage:
        _silence_tune()
        desk: Any = ray.remote(num_cpus=0)(Desk).remote(conductor.load_kernel())
        bundles = _list_bundles(conductor.spec.resources)
        places_before = list_places(bundles)
        watcher = Watcher(conductor, desk, lambda: bool(list_places(bundles) - places_before))
        tuner = tune.Tuner(
            _make_trainable(conductor, tools, desk),
            tune_config=_make_tune_config(conductor, watcher),
            run_config=_make_run_config(conductor, watcher, storage),
        )
        with suppress(NothingRuns):
            tuner.fit()


def _silence_tune() -> None:
    """Its analysis misses the files that we do without, and says so."""
    logging.getLogger("ray.tune.analysis").setLevel(logging.ERROR)


def _make_trainable(conductor: Conductor, tools: Tools, desk: Any) -> Any:
    trainable = tune.with_parameters(
        TrialTrainable,
        spec=conductor.spec,
        job_id=conductor.job_id,
        study_run_id=conductor.run_id,
        tools=tools,
        desk=desk,
    )
    return tune.with_resources(trainable, _make_placement(conductor.spec.resources))


def _make_tune_config(conductor: Conductor, watcher: Watcher) -> tune.TuneConfig:
    return tune.TuneConfig(
        search_alg=Proposals(watcher),
        scheduler=make_scheduler(conductor.spec, conductor.ledger),
        num_samples=_ENDLESS,
        reuse_actors=True,
    )


def _make_run_config(conductor: Conductor, watcher: Watcher, storage: str) -> tune.RunConfig:
    max_failures = conductor.spec.limits.failures_per_trial
    return tune.RunConfig(
        name="study",
        storage_path=storage,
        failure_config=tune.FailureConfig(max_failures=max_failures),
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        callbacks=[watcher],
        verbose=0,
    )


def _list_bundles(resources: ResourcesSpec) -> list[dict[str, float]]:
    """One bundle for the trial's own process, one for each of its workers."""
    trial_bundle = {"CPU": resources.cpus, **resources.custom}
    return [trial_bundle, *({"CPU": 1.0} for _ in range(resources.workers))]


def _make_placement(resources: ResourcesSpec) -> tune.PlacementGroupFactory:
    strategy = resources.placement.replace("-", "_").upper()
    return tune.PlacementGroupFactory(_list_bundles(resources), strategy=strategy)


@contextmanager
def _connected() -> Iterator[None]:
    """On the cluster of this process, or else on a local Ray of its own, whose trials are as urgent
    as the driver. Ray leaves our handler of SIGTERM alone."""
    if ray.is_initialized():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=True,
        _system_config={"worker_niceness": 0},
    )
    signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _tune_folder(folder: str | None) -> Iterator[str]:
    """A folder of one attempt's own, for Tune as we want it."""
    os.environ.update(_SETTINGS)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="study-", dir=folder) as storage:
        yield storage
