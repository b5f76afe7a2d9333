"""Jobs by kind: what is to be done once a driver has a registry, a runner and a recorder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hyperadam.names import split_ref
from hyperadam.theta import Theta

from meta_trainer import failures, provenance
from meta_trainer.evaluation import EvaluationData, TuningCache, evaluate
from meta_trainer.recorder import finite_or_none
from meta_trainer.run_recorder import RunRecorder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from meta_trainer.tasks import SpecTasks, load_data
from meta_trainer.training import MetaTraining, Trained
from meta_trainer.work import make_rule
from registry import Registry


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `job.json` says."""

    job_id: str
    kind: str
    name: str | None
    spec: dict[str, Any]

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        content = json.loads(data)
        return cls(**{field: content.get(field) for field in ("job_id", "kind", "name", "spec")})


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a job is carried out with."""

    registry: Registry
    run_id: str
    recorder: RunRecorder
    runner: Runner
    data_dir: str | None
    """Folder of datasets."""
    cache_dir: str | None
    """Folder of this machine for what can be computed again, such as tuned rates."""
    should_stop: Callable[[], bool]


def carry_out(job: Job, context: Context) -> dict[str, Any]:
    """Do the job; returns what its `done.json` says beyond the outcome.

    Raises:
        Stopped: as asked, after a checkpoint.
    """
    if job.kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {job.kind!r}")
    return _KINDS[job.kind](job, context)


def _meta_training(job: Job, context: Context) -> dict[str, Any]:
    spec = MetaTrainingSpec.model_validate(job.spec)
    source = SpecTasks(load_data(spec.data_tasks, context.data_dir))
    training = MetaTraining(spec, source, context.runner, context.recorder)
    context.recorder.restore_newest(training.restore)
    with failures.kept(training, spec, context.recorder):
        trained = training.run(context.should_stop)
    rule, made = make_rule(spec.rule), provenance.of_training(spec, source.fingerprints, trained, job.job_id)
    theta = Theta.from_vector(rule, trained.theta, lr=spec.unroll.lr, provenance=made)
    start = {
        "job": job.job_id,
        "metrics": {"validation_loss": finite_or_none(trained.initial_loss)},
        "made_by": f"init {spec.init}",
    }
    initial = Theta.from_vector(rule, trained.initial_theta, lr=spec.unroll.lr, provenance=start)
    context.recorder.artifact("result/initial.safetensors", initial.to_bytes())
    version = context.registry.create_version(spec.register_as, theta, key=job.job_id, run_id=context.run_id)
    registered = {"optimizer": version.optimizer, "number": version.number, "sha256": version.sha256}
    context.recorder.event("version", registered)
    result = {**registered, **_summary(trained)}
    context.recorder.artifact("result/result.json", json.dumps(result, allow_nan=False).encode())
    return {"version": registered}


def _summary(trained: Trained) -> dict[str, Any]:
    return {
        "best_update": trained.best_update,
        "best_validation_loss": finite_or_none(trained.best_loss),
        "initial_validation_loss": finite_or_none(trained.initial_loss),
        "n_updates": trained.n_updates,
        "diverged": trained.diverged,
        "wall_seconds": round(trained.seconds, 3),
    }


def _evaluation(job: Job, context: Context) -> dict[str, Any]:
    spec = EvaluationSpec.model_validate(job.spec)
    data = EvaluationData.load(spec, context.data_dir)
    thetas = {reference: Theta.from_bytes(_weights(context.registry, reference)) for reference in spec.optimizers}
    cache = TuningCache(Path(context.cache_dir) / "tuned-rates") if context.cache_dir else None
    report = evaluate(spec, thetas, data, context.runner, context.recorder, context.should_stop, cache)
    for path, content in report.files().items():
        context.recorder.artifact(f"result/{path}", content)
    return {}


def _weights(registry: Registry, reference: str) -> bytes:
    name, ref = split_ref(reference)
    return registry.weights(name, registry.version(name, ref).number)


_KINDS: dict[str, Callable[[Job, Context], dict[str, Any]]] = {
    "meta-training": _meta_training,
    "evaluation": _evaluation,
}
