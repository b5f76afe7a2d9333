"""Optimizers and tasks as they are named on the command lines of benchmarks.

| name | which Θ |
| --- | --- |
| `untrained` | what a preset's training starts from |
| `hyperadam-v4`, `theta.safetensors` | a shipped one, a file |
| `hyperadam-v4:length_kept=0.1,length=1.2` | the same, after `adjustment` of a job |
| `hyperadam-v4:length_kept=0.5,warmup_steps=40` | and at another rate (`hyperadam.rates.Rate`) |
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import hyperadam
from hyperadam.rates import Rate
from pydantic import ValidationError

from meta_trainer.seeds import make_generator
from meta_trainer.specs import AdjustmentSpec, MetaTrainingSpec
from meta_trainer.training.adjustment import adjust_theta
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule

UNTRAINED: Final = "untrained"
RATE: Final = frozenset(field.name for field in fields(Rate))
"""What is changed of the rate, and not of Θ."""


def read_theta(name: str, spec: MetaTrainingSpec) -> hyperadam.Theta:
    """The Θ of a name.

    Args:
        spec: says what an untrained start is, and is seeded by.

    Raises:
        ValueError: there is none of this name, or it cannot be changed so.
    """
    source, changes = _split(name)
    theta = _read_source(source, spec)
    if not changes:
        return theta
    numbers = _read_numbers(name, changes)
    rate = _change_rate(name, theta.rate, {key: numbers.pop(key) for key in RATE & numbers.keys()})
    adjustment = _read_adjustment(name, numbers, theta)
    start = theta.rule.init_theta(make_generator(spec.seed, "theta"), spec.init)
    vector = theta.rule.pack(adjust_theta(theta.tensors, adjustment, start)).float()
    return hyperadam.Theta.from_vector(theta.rule, vector, rate=rate)


def _split(name: str) -> tuple[str, str]:
    """The Θ's own name, and what is changed; a file's name may have colons."""
    source, _, changes = name.rpartition(":")
    return (source, changes) if "=" in changes and source else (name, "")


def _read_source(name: str, spec: MetaTrainingSpec) -> hyperadam.Theta:
    if name == UNTRAINED:
        rule = make_rule(spec.rule)
        return hyperadam.Theta.from_vector(rule, make_initial_theta(spec), rate=spec.unroll.rate)
    if Path(name).is_file():
        return hyperadam.Theta.load(name)
    return hyperadam.pretrained(name)


def _read_numbers(name: str, changes: str) -> dict[str, float]:
    texts = dict(change.partition("=")[::2] for change in changes.split(","))
    try:
        return {key: float(text) for key, text in texts.items()}
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _change_rate(name: str, rate: Rate, numbers: dict[str, float]) -> Rate:
    whole: dict[str, Any] = {
        key: int(each) if each % 1 == 0 else each for key, each in numbers.items()
    }
    try:
        return replace(rate, **whole)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _read_adjustment(
    name: str, numbers: dict[str, float], theta: hyperadam.Theta
) -> AdjustmentSpec:
    """As a job with this rule would take it."""
    job = {"rule": {"kind": theta.rule.kind}, "adjustment": numbers}
    try:
        return MetaTrainingSpec.model_validate(job).adjustment
    except ValidationError as error:
        reasons = "; ".join(each["msg"] for each in error.errors())
        raise ValueError(f"{name}: {reasons}") from error


def add_tasks_argument(parser: argparse.ArgumentParser) -> None:
    """Whose validation tasks are run: `read_tasks` reads it."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--preset", default="default", help="whose validation tasks are run")
    group.add_argument("--job-of", help="a Theta: those that the job that made it validated with")


def read_spec(arguments: argparse.Namespace) -> MetaTrainingSpec:
    """The spec whose tasks are run.

    Raises:
        SystemExit: it draws no tasks.
    """
    document: Any = {"preset": arguments.preset}
    if arguments.job_of:
        preset = MetaTrainingSpec.model_validate(document)
        document = read_theta(arguments.job_of, preset).provenance.get("spec")
    spec = MetaTrainingSpec.model_validate(document)
    if spec.tasks is None:
        raise SystemExit("that job draws no tasks")
    return spec
