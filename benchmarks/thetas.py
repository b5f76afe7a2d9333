"""Optimizers and tasks as they are named on the command lines of benchmarks.

| name | which Θ |
| --- | --- |
| `untrained` | what a preset's training starts from, and that of a job, had it no parent |
| `hyperadam-v4`, `theta.safetensors` | a shipped one, a file |
| `hyperadam-v4:length_kept=0.1,length=1.2` | the same, after `adjustment` of a job |
| `hyperadam-v4:length_kept=0.5,warmup_steps=40` | and at another rate (`hyperadam.rates.Rate`) |
| `hyperadam-v7:sparse_above=0.75` | and under other limits of its rule, as a job with a `parent` |
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import hyperadam
from hyperadam.rules import RuleError, rule_from_spec
from pydantic import ValidationError

from meta_trainer.seeds import make_generator
from meta_trainer.specs import AdjustmentSpec, MetaTrainingSpec
from meta_trainer.specs.lineage import LIMITS
from meta_trainer.specs.rates import RATE_FIELDS, RateChanges
from meta_trainer.training.adjustment import adjust_theta
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule

UNTRAINED: Final = "untrained"


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
    of_rate = {key: numbers.pop(key) for key in RATE_FIELDS if key in numbers}
    of_rule: dict[str, Any] = {}
    for key in LIMITS:
        if key in numbers:
            own = getattr(theta.rule.spec, key, 0.0)
            of_rule[key] = type(own)(numbers.pop(key))
    # As a job with this rule, and an evaluation, would take them.
    job = {"rule": {"kind": theta.rule.kind}, "adjustment": numbers}
    try:
        adjustment = MetaTrainingSpec.model_validate(job).adjustment
        rate = RateChanges.model_validate(of_rate).apply_to(theta.rate)
        rule = rule_from_spec({**asdict(theta.rule.spec), **of_rule})
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{name}: {reasons}") from error
    except RuleError as error:
        raise ValueError(f"{name}: {error}") from error
    start = rule.init_theta(make_generator(spec.seed, "theta"), spec.init)
    vector = rule.pack(adjust_theta(theta.tensors, adjustment, start)).float()
    return hyperadam.Theta.from_vector(rule, vector, rate=rate)


def _split(name: str) -> tuple[str, str]:
    """The Θ's own name, and what is changed; a file's name may have colons."""
    source, _, changes = name.rpartition(":")
    return (source, changes) if "=" in changes and source else (name, "")


def _read_source(name: str, spec: MetaTrainingSpec) -> hyperadam.Theta:
    if name == UNTRAINED:
        fresh = spec.model_copy(update={"parent": None, "adjustment": AdjustmentSpec()})
        start = make_initial_theta(fresh)
        return hyperadam.Theta.from_vector(make_rule(spec.rule), start, rate=spec.unroll.rate)
    if Path(name).is_file():
        return hyperadam.Theta.load(name)
    return hyperadam.pretrained(name)


def _read_numbers(name: str, changes: str) -> dict[str, float]:
    texts = dict(change.partition("=")[::2] for change in changes.split(","))
    try:
        return {key: float(text) for key, text in texts.items()}
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


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
