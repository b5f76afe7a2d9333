"""Jobs by kind: what is to be done once a driver has a registry, a runner and a recorder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hyperadam.names import split_ref
from hyperadam.theta import Theta

from meta_trainer.recorder import PartRecorder, Recorder, finite_or_none
from meta_trainer.runners import Runner
from meta_trainer.runs import failures, provenance
from meta_trainer.runs.continuation import load_start
from meta_trainer.runs.parents import load_parent
from meta_trainer.runs.run_recorder import RunRecorder
from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec, PromotionSpec
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.suites import ALL, SUITES
from meta_trainer.tasks import SpecTaskSource, load_data
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Trained
from meta_trainer.training.units import make_rule
from registry import Evaluation, Registry, Version

if TYPE_CHECKING:  # evaluations and promotions are imported by the jobs that have one
    from meta_trainer.driver.promotion import Promotion
    from meta_trainer.evaluation import Report


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `job.json` says."""

    job_id: str
    kind: str
    name: str | None
    spec: dict[str, Any]
    original_run_id: str | None = None
    """The run of the job that a meta-training continues; None: there is none, or it was deleted."""

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        content = json.loads(data)
        return cls(
            **{
                field: content.get(field)
                for field in ("job_id", "kind", "name", "spec", "original_run_id")
            }
        )


@dataclass(frozen=True, kw_only=True)
class Context:
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
    if spec.promote is not None:  # data that is missing is better missed now than at the end
        from meta_trainer.evaluation import EvaluationData

        EvaluationData.load(spec.promote.evaluation((spec.register_as,)), context.data_dir)
    source = SpecTaskSource(load_data(spec.data_tasks, context.data_dir))
    parent = load_parent(spec, context.registry)
    start = load_start(spec, context.registry, context.run_id, job.original_run_id)
    training = MetaTraining(
        spec,
        source,
        context.runner,
        context.recorder,
        parent=parent and parent.theta,
        start=start and start.checkpoint,
    )
    if context.recorder.restore_newest(training.restore) is None and start is not None:
        context.recorder.event("continued", start.told)
    with failures.keep_failed_update(training, spec, context.recorder):
        trained = training.run(context.should_stop)
    rule = make_rule(spec.rule)
    made = provenance.describe_training(
        spec, source.fingerprints, trained, job.job_id, parent, start
    )
    theta = Theta.from_vector(rule, trained.theta, **spec.unroll.rate._asdict(), provenance=made)
    beginning = {
        "job": job.job_id,
        "metrics": {"validation_loss": finite_or_none(trained.initial_loss)},
        "made_by": _made_by(spec),
    }
    initial = Theta.from_vector(
        rule, trained.initial_theta, **spec.unroll.rate._asdict(), provenance=beginning
    )
    context.recorder.artifact("result/initial.safetensors", initial.to_bytes())
    version = context.registry.create_version(
        spec.register_as, theta, key=job.job_id, run_id=context.run_id
    )
    registered = {
        "optimizer": version.optimizer,
        "number": version.number,
        "sha256": version.sha256,
    }
    context.recorder.event("version", registered)
    result = {**registered, **_summary(trained)}
    context.recorder.artifact("result/result.json", json.dumps(result, allow_nan=False).encode())
    if spec.promote is not None:
        _promotion(spec.promote, version, job.job_id, context).carry_out()
    return {"version": registered}


def _made_by(spec: MetaTrainingSpec) -> str:
    """What gave the Θ that a job starts from."""
    if spec.continue_from is not None:
        return f"update {spec.continue_from.checkpoint} of {spec.continue_from.job}"
    start = f"parent {spec.parent}" if spec.parent else f"init {spec.init}"
    return start if spec.adjustment.changes_nothing else f"{start}, adjusted"


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
    from meta_trainer.evaluation import evaluate_sections

    spec = EvaluationSpec.model_validate(job.spec)
    if SUITES[spec.suite] is not ALL:
        _evaluate(spec, job.job_id, context, context.recorder, "result")
        return {}

    def run(section: EvaluationSpec, recorder: Recorder) -> Report:
        return _evaluate(
            section, f"{job.job_id}:{section.suite}", context, recorder, f"result/{section.suite}"
        )

    for path, content in evaluate_sections(spec, run, context.recorder).items():
        context.recorder.artifact(f"result/{path}", content)
    return {}


def _evaluate(
    spec: EvaluationSpec, key: str, context: Context, recorder: Recorder, folder: str
) -> Report:
    """Run an evaluation; its files go below `folder`, and what it says of each version to that
    version."""
    from meta_trainer.evaluation import EvaluationData, OutcomeCache, TuningCache, evaluate, summary

    data = EvaluationData.load(spec, context.data_dir)
    versions = {
        reference: context.registry.version(*split_ref(reference)) for reference in spec.optimizers
    }
    files = {
        reference: context.registry.weights(v.optimizer, v.number)
        for reference, v in versions.items()
    }
    thetas = {reference: Theta.from_bytes(file) for reference, file in files.items()}
    cache_dir = Path(context.cache_dir) if context.cache_dir else None
    caches = (
        TuningCache(cache_dir and cache_dir / "tuned-rates"),
        OutcomeCache(cache_dir and cache_dir / "outcomes"),
    )
    report = evaluate(spec, thetas, data, context.runner, recorder, context.should_stop, *caches)
    for path, content in report.files().items():
        recorder.artifact(f"{folder}/{path}", content)
    for reference, version in versions.items():
        told = Evaluation(
            key=key, evaluated_at=datetime.now(UTC), summary=summary(report, reference)
        )
        context.registry.attach_evaluation(version.optimizer, version.number, told)
    return report


def _promotion(rule: PromotionSpec, version: Version, job_id: str, context: Context) -> Promotion:
    """The rule with its evaluation, whose files go to `result/promotion/`."""
    from meta_trainer.driver.promotion import Promotion

    def compare(champion: int) -> Report:
        references = tuple(f"{version.optimizer}@{number}" for number in (version.number, champion))
        recorder = PartRecorder(context.recorder, "promotion")
        return _evaluate(rule.evaluation(references), job_id, context, recorder, "result/promotion")

    return Promotion(
        rule=rule,
        version=version,
        job_id=job_id,
        registry=context.registry,
        recorder=context.recorder,
        compare=compare,
    )


def _study(job: Job, context: Context) -> dict[str, Any]:
    from meta_trainer.studies.study import Study  # Optuna is for studies alone

    study = Study(
        spec=StudySpec.model_validate(job.spec),
        job_id=job.job_id,
        title=job.name or "Study",
        registry=context.registry,
        connect=context.connect,
        run_id=context.run_id,
        recorder=context.recorder,
        data_dir=context.data_dir,
        cache_dir=context.cache_dir,
        should_stop=context.should_stop,
    )
    return study.carry_out()


_KINDS: dict[str, Callable[[Job, Context], dict[str, Any]]] = {
    "meta-training": _meta_training,
    "evaluation": _evaluation,
    "study": _study,
}
