"""A meta-training as a job of the driver: Θ is trained, registered, and compared with the version
that it may take an alias from."""

from __future__ import annotations

import json
from typing import Any

from hyperadam.theta import Theta

from meta_trainer.driver.context import Job, JobContext
from meta_trainer.recorder import finite_or_none
from meta_trainer.runs import failures, provenance
from meta_trainer.runs.continuation import Start, load_start
from meta_trainer.runs.kernel import keep_kernel
from meta_trainer.runs.parents import Parent, load_parent
from meta_trainer.runs.registration import describe_version, register_theta
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import SpecTaskSource, load_data
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Trained
from meta_trainer.training.units import make_rule


def carry_out_meta_training(job: Job, context: JobContext) -> dict[str, Any]:
    """Train Θ to the end; returns the version that was made of it.

    Raises:
        Stopped: as asked, after a checkpoint.
        KernelMissing: the workers do not have the job's kernel.
    """
    spec = MetaTrainingSpec.model_validate(job.spec)
    kernel = keep_kernel(spec, context.registry, context.run_id, context.runner)
    _check_promotion_data(spec, context)
    source = SpecTaskSource(load_data(spec.data_tasks, context.data_dir, context.registry))
    parent = load_parent(spec, context.registry)
    start = load_start(spec, context.registry, context.run_id, job.original_run_id)

    trained = _train(spec, source, parent, start, kernel, context)
    _leave_initial_theta(spec, trained, job.job_id, context)

    lineage = provenance.describe_training(
        spec, source.fingerprints, trained, job.job_id, parent, start, kernel
    )
    rule = make_rule(spec.rule)
    theta = Theta.from_vector(rule, trained.theta, rate=spec.unroll.rate, provenance=lineage)
    version = register_theta(
        theta, spec.register_as, job.job_id, context.run_id, context.registry, context.recorder
    )
    result = {**describe_version(version), **_summarize(trained)}
    context.recorder.artifact("result/result.json", json.dumps(result, allow_nan=False).encode())

    if spec.promote is not None:
        from meta_trainer.driver.promotion import make_promotion

        make_promotion(spec.promote, version, job, context).carry_out()
    return {"version": describe_version(version)}


def _check_promotion_data(spec: MetaTrainingSpec, context: JobContext) -> None:
    """Miss data that the promotion needs now, rather than at the end."""
    if spec.promote is None:
        return
    from meta_trainer.evaluation import EvaluationData

    evaluation = spec.promote.evaluation((spec.register_as,))
    EvaluationData.load(evaluation, context.data_dir, context.registry)


def _train(
    spec: MetaTrainingSpec,
    source: SpecTaskSource,
    parent: Parent | None,
    start: Start | None,
    kernel: str,
    context: JobContext,
) -> Trained:
    training = MetaTraining(
        spec,
        source,
        context.runner,
        context.recorder,
        parent=parent.theta if parent else None,
        start=start.checkpoint if start else None,
        kernel=kernel,
    )
    checkpoint_path = context.recorder.restore_newest(training.restore)
    if checkpoint_path is None and start is not None:
        context.recorder.event("continued", start.event_data)
    with failures.keep_failed_update(training, spec, context.recorder):
        return training.run(context.should_stop)


def _leave_initial_theta(
    spec: MetaTrainingSpec, trained: Trained, job_id: str, context: JobContext
) -> None:
    lineage = {
        "job": job_id,
        "metrics": {"validation_loss": finite_or_none(trained.initial_loss)},
        "made_by": _describe_start(spec),
    }
    theta = Theta.from_vector(
        make_rule(spec.rule),
        trained.initial_theta,
        rate=spec.unroll.rate,
        provenance=lineage,
    )
    context.recorder.artifact("result/initial.safetensors", theta.to_bytes())


def _describe_start(spec: MetaTrainingSpec) -> str:
    """What gave the Θ that a job starts from."""
    if spec.continue_from is not None:
        return f"update {spec.continue_from.checkpoint} of {spec.continue_from.job}"
    start = f"parent {spec.parent}" if spec.parent else f"init {spec.init}"
    return start if spec.adjustment.changes_nothing else f"{start}, adjusted"


def _summarize(trained: Trained) -> dict[str, Any]:
    return {
        "best_update": trained.best_update,
        "best_validation_loss": finite_or_none(trained.best_loss),
        "initial_validation_loss": finite_or_none(trained.initial_loss),
        "n_updates": trained.n_updates,
        "diverged": trained.diverged,
        "wall_seconds": round(trained.seconds, 3),
    }
