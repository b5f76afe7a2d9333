"""What a job will take, told from its spec alone: updates, steps of learners, time and memory.

Times are of one core; `python -m benchmarks.estimates` holds them against what jobs take, and
`docs/performance.md` has its figures. Memory is what one worker needs beside its libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from meta_trainer.datasets.catalog import FORMS
from meta_trainer.specs import (
    AnyTaskSpec,
    EvaluationSpec,
    MetaTrainingSpec,
    TBPTTSpec,
    parts_of,
)
from meta_trainer.specs.baselines import BASELINES, Baseline
from meta_trainer.specs.study import StudySpec
from meta_trainer.tasks.sizes import Forms, count_coordinates, count_products

_FLOP_SECONDS: Final = 1 / 30e9
"""Of one core, in products of the sizes that learners have."""
_SECOND_ORDER: Final = 2.5
"""What a derivative of second order takes, in units of one of first order."""
_LIBRARIES_BYTES: Final = 400e6
"""What a driver or a worker takes before it does anything."""
_TAPE_OVERHEAD: Final = 1.5
"""Peak memory of a period, in units of the states that its tape keeps."""

_CALL_SECONDS: Final[Mapping[str, float]] = {
    "mlp": 1.0e-4,
    "cnn": 6.0e-4,
    "cnn-norm": 1.1e-3,
    "gru": 1.1e-3,
    "lstm": 1.0e-3,
    "attention": 1.6e-3,
    "mixer": 0.9e-3,
    "language": 2.4e-3,
    "tied-language": 2.2e-3,
    "text": 2.2e-3,
    "masked-text": 2.2e-3,
    "autoencoder": 0.3e-3,
    "regression": 0.25e-3,
    "recommender": 0.5e-3,
}
"""What a gradient takes however small the network is, by kind of network."""
_OTHER_CALL_SECONDS: Final = 2.0e-3
_RULE_SECONDS: Final[Mapping[str, Callable[[Any], float]]] = {
    "hyperadam": lambda rule: 0.6e-6 * rule.n_candidates / 20,
    "hyperadam-tensor": lambda _: 2e-8,
    "rnnprop": lambda rule: 2.6e-6 * rule.n_layers * rule.n_hidden / 40,
    "dm": lambda rule: 2.6e-6 * rule.n_layers * rule.n_hidden / 40,
}
"""Of one coordinate and step with its derivative, by kind of rule."""
_RULE_NUMBERS: Final[Mapping[str, Callable[[Any], int]]] = {
    "hyperadam": lambda rule: 6 * rule.n_candidates,
    "hyperadam-tensor": lambda rule: rule.n_candidates + 2,
    "rnnprop": lambda rule: 10 * rule.n_layers * rule.n_hidden,
    "dm": lambda rule: 10 * rule.n_layers * rule.n_hidden,
}
"""That a tape keeps of one coordinate and step, by kind of rule."""
_OTHER_RULE_SECONDS: Final = 1e-6
_OTHER_RULE_NUMBERS: Final = 200
"""Of rules that are installed, of which nothing is known."""
_DEPLOYED_SHARE: Final = 0.35
"""What a step of a rule takes without its derivative."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """An estimate of what a job takes."""

    n_updates: int
    """Updates of Θ; of a study, of all its trials; 0 of an evaluation."""
    n_learner_steps: int
    """Steps of single learners, those of validation and tuning included."""
    core_seconds: float
    """Of one core."""
    n_parallel: int
    """Cores that the job can make use of."""
    memory_bytes: int
    """Of each of its processes, at most."""


def estimate_cost(
    spec: MetaTrainingSpec | EvaluationSpec | StudySpec, forms: Forms = FORMS
) -> Cost:
    """The cost of a job of any kind.

    Args:
        forms: of the examples of all datasets that the spec names.
    """
    match spec:
        case MetaTrainingSpec():
            return _estimate_meta_training(spec, forms)
        case EvaluationSpec():
            return _estimate_evaluations(spec, forms)
        case StudySpec():
            return _estimate_study(spec, forms)


def _estimate_meta_training(spec: MetaTrainingSpec, forms: Forms) -> Cost:
    timeline = spec.timeline
    n_steps = sum(timeline.horizons) * spec.n_learners
    seconds_a_step = 0.0
    for _, part in parts_of(spec.estimator):
        if isinstance(part, TBPTTSpec):
            seconds_a_step += _time_training_step(spec, part.order, forms)
        else:
            seconds_a_step += 2 * part.n_pairs * _time_training_step(spec, 0, forms)

    n_validations = -(-spec.n_episodes // spec.validation.every_episodes) + 1
    n_validated = spec.validation.n_learners * len(spec.validation_tasks)
    horizons = spec.validation_horizons
    n_steps_each = sum(horizons) if spec.unroll.rate.knows_length else max(horizons)
    n_validation_steps = n_validations * n_validated * n_steps_each
    validation_seconds = _average(spec.validation_tasks, spec.rule, 0, forms)
    return Cost(
        n_updates=spec.n_updates,
        n_learner_steps=n_steps + n_validation_steps,
        core_seconds=n_steps * seconds_a_step + n_validation_steps * validation_seconds,
        n_parallel=spec.n_chunks,
        memory_bytes=_estimate_memory(spec, forms),
    )


def _time_training_step(spec: MetaTrainingSpec, order: int, forms: Forms) -> float:
    """Seconds of one step of one learner with its derivative, on average over what is drawn."""
    if spec.tasks is None:
        return _average(spec.simple_tasks, spec.rule, order, forms)
    total = 0.0
    shares = sum(family.share for family in spec.tasks.families)
    for family in spec.tasks.families:
        average = _average(family.typical(), spec.rule, order, forms)
        total += family.share / shares * average
    return total


def _average(tasks: Any, rule: Any, order: int, forms: Forms) -> float:
    times = [_time_step(task, rule, order, forms) for task in tasks]
    return sum(times) / max(1, len(times))


def _time_step(task: AnyTaskSpec, rule: Any, order: int, forms: Forms) -> float:
    """Seconds of a step of one learner; order 0 is without a derivative by Θ."""
    p = count_coordinates(task, forms)
    time_rule = _RULE_SECONDS.get(rule.kind, lambda _: _OTHER_RULE_SECONDS)
    rule_seconds = time_rule(rule) * p
    gradient_seconds = time_gradient(task, forms)
    if order == 0:
        return gradient_seconds + _DEPLOYED_SHARE * rule_seconds
    if order == 1:
        return gradient_seconds + rule_seconds
    return _SECOND_ORDER * gradient_seconds + rule_seconds


def time_gradient(task: AnyTaskSpec, forms: Forms) -> float:
    """Seconds of the gradient of one learner's minibatch."""
    network = getattr(task, "network", task.kind)
    calls = _CALL_SECONDS.get(network, _OTHER_CALL_SECONDS)
    flop = 6 * task.batch_size * count_products(task, forms)
    return calls + flop * _FLOP_SECONDS


def _estimate_memory(spec: MetaTrainingSpec, forms: Forms) -> int:
    """Of the largest chunk's period: the states of its tape."""
    drawn = [
        task for family in (spec.tasks.families if spec.tasks else ()) for task in family.typical()
    ]
    largest = max(count_coordinates(task, forms) for task in drawn or spec.simple_tasks)
    period = spec.unroll.period or max(spec.timeline.horizons)
    count_numbers = _RULE_NUMBERS.get(spec.rule.kind, lambda _: _OTHER_RULE_NUMBERS)
    numbers = count_numbers(spec.rule)
    states = 4 * numbers * largest * period * spec.chunk_size
    return round(_LIBRARIES_BYTES + _TAPE_OVERHEAD * states)


def _estimate_evaluations(spec: EvaluationSpec, forms: Forms) -> Cost:
    """Of one suite or of all of them."""
    n_steps = 0
    seconds = 0.0
    largest = 0
    n_cells = 0
    for section in spec.sections:
        for task in section.tasks:
            n_task_steps = _count_rows(section) * task.horizon
            n_steps += n_task_steps
            seconds += n_task_steps * time_gradient(task.learner, forms)
            n_cells += len(section.optimizers) + len(section.baselines)
            largest = max(largest, count_coordinates(task.learner, forms))
    return Cost(
        n_updates=0,
        n_learner_steps=n_steps,
        core_seconds=seconds,
        n_parallel=max(1, n_cells),
        memory_bytes=round(_LIBRARIES_BYTES + 4 * 150 * largest * spec.n_starts),
    )


def _count_rows(spec: EvaluationSpec) -> int:
    """Runs of one task: starts of every row, and those that rates are tuned on."""
    n_learned = len(spec.optimizers) * (1 + spec.tune_learned + 2 * spec.untrained)
    n_rates = sum(_count_rates(name) for name in spec.baselines)
    n_rates += len(spec.optimizers) * _RATES_OF_LEARNED * (spec.tune_learned + spec.untrained)
    n_rows = n_learned + len(spec.baselines)
    return n_rows * spec.n_starts + n_rates * spec.n_tuning_starts


_RATES_OF_LEARNED: Final = 9


def _count_rates(name: str) -> int:
    """Rates that a baseline is tuned over."""
    baseline = BASELINES[name]
    if not isinstance(baseline, Baseline):
        return 0
    first, last = baseline.grid
    return (last - first) // baseline.stride + 1


def _estimate_study(spec: StudySpec, forms: Forms) -> Cost:
    """All trials at their full length: a scheduler stops some of them."""
    trial = _estimate_meta_training(spec.base, forms)
    n_trials = spec.limits.trials
    if spec.searcher.kind == "grid":
        n_trials = min(n_trials, spec.n_grid_points * len(spec.all_seeds))
    return Cost(
        n_updates=n_trials * trial.n_updates,
        n_learner_steps=n_trials * trial.n_learner_steps,
        core_seconds=n_trials * trial.core_seconds,
        n_parallel=spec.limits.parallel_trials * (1 + spec.resources.workers),
        memory_bytes=trial.memory_bytes,
    )
