"""Evaluations in this process, without a service.

python -m meta_trainer.evaluation run SPEC.json --out FOLDER [--theta NAME=FILE] [--data-dir DIR]
python -m meta_trainer.evaluation repeat FOLDER [--data-dir DIR]

`run` takes the spec of an evaluation job, or the `results.json` of a report, which is made again as
a whole. A version `NAME@1` is the pretrained Θ of that name, or the file that `--theta` gives it.
`repeat` runs a sample of all reports of a folder again, and fails where a start ends elsewhere;
what it has no data for, it names.
"""

from __future__ import annotations

import json
import logging
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import hyperadam
import typer
from hyperadam.names import split_ref
from hyperadam.theta import Theta
from pydantic import ValidationError

from meta_trainer.datasets import DatasetMissing
from meta_trainer.evaluation import EvaluationData, OutcomeCache, TuningCache, evaluate
from meta_trainer.evaluation.repeats import (
    Repeated,
    Repetition,
    SampleOfReport,
    read_sample,
)
from meta_trainer.evaluation.reporting import build_report_files, draw_report
from meta_trainer.evaluation.reporting.origin import describe_origin
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import ALL, SUITES

app = typer.Typer(add_completion=False)

DataDir = Annotated[
    str | None, typer.Option(help="Folder of the full datasets, where the suite needs them.")
]


@app.callback()
def main() -> None:
    """Evaluations in this process, without a service."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


@app.command()
def run(
    spec_file: Annotated[Path, typer.Argument(metavar="SPEC.json", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder to write the report into.")],
    theta: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="A Θ file; may be repeated.")
    ] = None,
    data_dir: DataDir = None,
    cache_dir: Annotated[
        Path | None, typer.Option(help="Where tuned rates and outcomes are kept.")
    ] = None,
) -> None:
    """Evaluate, and write page, pictures, tables and `results.json`."""
    spec = _read_spec(spec_file)
    files = _load_files(theta or ())
    thetas = {reference: _find_theta(files, reference) for reference in spec.optimizers}
    report = evaluate(
        spec,
        thetas,
        EvaluationData.load(spec, data_dir),
        InProcessRunner(),
        LogRecorder(),
        cache=TuningCache(cache_dir and cache_dir / "tuned-rates"),
        outcome_cache=OutcomeCache(cache_dir and cache_dir / "outcomes"),
        find_version=partial(_find_version, files),
    )
    digests = {reference: each.sha256 for reference, each in thetas.items()}
    origin = describe_origin(_write_command(spec_file, theta or ()), digests, report.kernels)
    out.mkdir(parents=True, exist_ok=True)
    for name, content in build_report_files(draw_report(report, origin)).items():
        (out / name).write_bytes(content)
        typer.echo(out / name)


@app.command()
def repeat(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False)], data_dir: DataDir = None
) -> None:
    """Run the sample of `sample.json` again, and compare it with what is recorded."""
    repetition = Repetition(
        folder=folder,
        find_theta=partial(_find_theta, {}),
        find_version=partial(_find_version, {}),
        load_data=partial(EvaluationData.load, data_dir=data_dir),
    )
    n_wrong = 0
    try:
        for name, sample in read_sample(folder).items():
            n_wrong += _repeat(repetition, name, sample)
    except (OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if n_wrong:
        typer.echo(f"{n_wrong} rows do not end where results.json says", err=True)
        raise typer.Exit(1)


def _repeat(repetition: Repetition, name: str, sample: SampleOfReport) -> int:
    """How many rows of a report do not end as recorded; a report whose data is not here is told and
    left out."""
    n_wrong = 0
    try:
        for repeated in repetition.repeat(name, sample):
            typer.echo(_describe(repeated))
            n_wrong += not repeated.is_right
    except DatasetMissing as error:
        typer.echo(f"{name}: NOT run again, for its data is not here: {error}")
    return n_wrong


def _describe(repeated: Repeated) -> str:
    row = repeated.row
    n = len(repeated.finals)
    verdict = "as recorded" if repeated.is_right else "NOT as recorded"
    return (
        f"{repeated.report}, {row.task}, {row.optimizer}: {verdict} on {n} starts "
        f"(largest difference {repeated.largest_difference:.2g}, of {repeated.tolerance:g} allowed)"
    )


def _read_spec(path: Path) -> EvaluationSpec:
    """The spec, or that of a report."""
    try:
        content = json.loads(path.read_bytes())
        if isinstance(content, dict) and isinstance(content.get("spec"), dict):
            content = content["spec"]
        spec = EvaluationSpec.model_validate(content)
    except (ValidationError, ValueError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="SPEC.json") from error
    if SUITES[spec.suite] is ALL:
        raise typer.BadParameter(f"suite {spec.suite} needs a service", param_hint="SPEC.json")
    return spec


def _load_files(assignments: Any) -> dict[str, Theta]:
    """Θ by name, from NAME=FILE."""
    thetas = {}
    for assignment in assignments:
        name, sign, path = assignment.partition("=")
        if not (name and sign and path):
            raise typer.BadParameter(f"must be NAME=FILE, got {assignment!r}", param_hint="--theta")
        try:
            thetas[name] = Theta.load(path)
        except (OSError, ValueError) as error:
            raise typer.BadParameter(f"{path}: {error}", param_hint="--theta") from error
    return thetas


def _find_theta(files: dict[str, Theta], reference: str) -> Theta:
    name, _ = split_ref(reference)
    if name in files:
        return files[name]
    if name in hyperadam.pretrained_names():
        return hyperadam.pretrained(name)
    known = ", ".join(hyperadam.pretrained_names())
    raise typer.BadParameter(f"{reference} is none of {known}; give its file", param_hint="--theta")


def _find_version(files: dict[str, Theta], reference: str) -> Theta | None:
    try:
        return _find_theta(files, reference)
    except (typer.BadParameter, ValueError):
        return None


def _write_command(spec_file: Path, assignments: Any) -> str:
    words = ["python", "-m", "meta_trainer.evaluation", "run", spec_file.name]
    for assignment in assignments:
        words += ["--theta", assignment]
    return shlex.join(words)


if __name__ == "__main__":
    app()
