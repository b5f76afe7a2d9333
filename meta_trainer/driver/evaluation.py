"""An evaluation as a job of the driver: its files go into the job's run, its summary to every
version that it scored."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hyperadam.names import split_ref
from hyperadam.theta import Theta

from meta_trainer.driver.context import Job, JobContext
from meta_trainer.evaluation import EvaluationData, OutcomeCache, TuningCache, evaluate
from meta_trainer.evaluation.kernels import find_kernels
from meta_trainer.evaluation.reporting import (
    DrawnReport,
    build_report_files,
    draw_report,
    evaluate_sections,
    summarize_report,
)
from meta_trainer.evaluation.reporting.origin import describe_origin, write_command
from meta_trainer.recorder import Recorder
from meta_trainer.runs.kernel import keep_kernels
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import ALL, SUITES
from registry import Evaluation, OptimizerNotFound, Registry, Version, VersionNotFound


def carry_out_evaluation(job: Job, context: JobContext) -> dict[str, Any]:
    """Run the evaluation; the suite `all` is one evaluation for each of its sections.

    Raises:
        Stopped: as asked.
        KernelMissing: no worker has the kernels that the first attempt had.
    """
    spec = EvaluationSpec.model_validate(job.spec)
    if SUITES[spec.suite] is not ALL:
        evaluate_versions(spec, job.job_id, context, context.recorder, "result", job.attach_to)
        return {}

    def evaluate_section(section: EvaluationSpec, recorder: Recorder) -> DrawnReport:
        key = f"{job.job_id}:{section.suite}"
        folder = f"result/{section.suite}"
        return evaluate_versions(section, key, context, recorder, folder, job.attach_to)

    files = evaluate_sections(spec, evaluate_section, context.recorder)
    for path, content in files.items():
        context.recorder.artifact(f"result/{path}", content)
    return {}


def evaluate_versions(
    spec: EvaluationSpec,
    key: str,
    context: JobContext,
    recorder: Recorder,
    folder: str,
    attach_to: Collection[str] | None = None,
) -> DrawnReport:
    """Run an evaluation of registered versions.

    Args:
        key: of what it says about each version, which is attached to that version once.
        folder: of the run, for the evaluation's files.
        attach_to: optimizers whose versions are told of it; None: all.
    """
    data = EvaluationData.load(spec, context.data_dir, context.registry)
    versions = _find_versions(spec, context.registry)
    thetas = {
        reference: _load_theta(version, context.registry) for reference, version in versions.items()
    }
    find = partial(find_kernels, thetas, context.runner)
    report = evaluate(
        spec,
        thetas,
        data,
        context.runner,
        recorder,
        context.should_stop,
        *_open_caches(context.cache_dir),
        find_version=partial(_find_theta, context.registry),
        kernels=keep_kernels(find, context.registry, context.run_id),
    )
    digests = {reference: version.sha256 for reference, version in versions.items()}
    origin = describe_origin(write_command(spec), digests, report.kernels)
    drawn = draw_report(report, origin)
    for path, content in build_report_files(drawn).items():
        recorder.artifact(f"{folder}/{path}", content)

    for reference, version in versions.items():
        if attach_to is not None and version.optimizer not in attach_to:
            continue  # another's: nobody else adds to its evidence
        evaluation = Evaluation(
            key=key, evaluated_at=datetime.now(UTC), summary=summarize_report(report, reference)
        )
        context.registry.attach_evaluation(version.optimizer, version.number, evaluation)
    return drawn


def _find_versions(spec: EvaluationSpec, registry: Registry) -> dict[str, Version]:
    """The evaluated versions by their references."""
    return {reference: registry.version(*split_ref(reference)) for reference in spec.optimizers}


def _find_theta(registry: Registry, reference: str) -> Theta | None:
    """A version that one of the evaluated was trained from, if it is still registered."""
    try:
        return _load_theta(registry.version(*split_ref(reference)), registry)
    except (OptimizerNotFound, VersionNotFound, ValueError):
        return None


def _load_theta(version: Version, registry: Registry) -> Theta:
    return Theta.from_bytes(registry.weights(version.optimizer, version.number))


def _open_caches(cache_dir: str | None) -> tuple[TuningCache, OutcomeCache]:
    if not cache_dir:
        return TuningCache(None), OutcomeCache(None)
    folder = Path(cache_dir)
    return TuningCache(folder / "tuned-rates"), OutcomeCache(folder / "outcomes")
