"""What a job will take, told from its spec alone: updates, steps of learners, time and memory.

Times are of one core, from `docs/performance.md`: they are right within a factor of about three,
which is enough to tell minutes from days. Memory is what one worker needs beside its libraries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import torch

from meta_trainer.datasets import Dataset
from meta_trainer.datasets.catalog import CARDS
from meta_trainer.learners import Learner
from meta_trainer.specs import (
    AnyTaskSpec,
    EvaluationSpec,
    MetaTrainingSpec,
    TBPTTSpec,
    parts_of,
)
from meta_trainer.specs.baselines import BASELINES, Baseline
from meta_trainer.specs.study import StudySpec
from meta_trainer.tasks.build import build_learner

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
    "autoencoder": 0.3e-3,
    "regression": 0.25e-3,
}
"""What a gradient takes however small the network is, by kind of network."""
_OTHER_CALL_SECONDS: Final = 2.0e-3
_PLACES: Final = 100
"""Of an image, at which a kernel of a convolution is used for one example."""
_COORDINATES: Final[Mapping[str, int]] = {
    "image-network": 30_000,
    "language": 15_000,
    "field": 500_000,
    "field-image": 200_000,
}
"""Of the networks that only evaluations have, about: to make them takes libraries and seconds."""

_RULE_SECONDS: Final[Mapping[str, Callable[[Any], float]]] = {
    "hyperadam": lambda rule: 0.6e-6 * rule.n_candidates / 20,
    "hyperadam-tensor": lambda _: 2e-8,
    "rnnprop": lambda rule: 0.9e-6 * rule.n_layers * rule.n_hidden / 40,
    "dm": lambda rule: 0.9e-6 * rule.n_layers * rule.n_hidden / 40,
}
"""Of one coordinate and step with its derivative, by kind of rule."""
_RULE_NUMBERS: Final[Mapping[str, Callable[[Any], int]]] = {
    "hyperadam": lambda rule: 6 * rule.n_candidates,
    "hyperadam-tensor": lambda rule: rule.n_candidates + 2,
    "rnnprop": lambda rule: 10 * rule.n_layers * rule.n_hidden,
    "dm": lambda rule: 10 * rule.n_layers * rule.n_hidden,
}
"""That a tape keeps of one coordinate and step, by kind of rule."""
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


def estimate_cost(spec: MetaTrainingSpec | EvaluationSpec | StudySpec) -> Cost:
    """The cost of a job of any kind."""
    match spec:
        case MetaTrainingSpec():
            return _estimate_meta_training(spec)
        case EvaluationSpec():
            return _estimate_evaluations(spec)
        case StudySpec():
            return _estimate_study(spec)


def _estimate_meta_training(spec: MetaTrainingSpec) -> Cost:
    timeline = spec.timeline
    n_steps = sum(timeline.horizons) * spec.n_learners
    seconds_a_step = 0.0
    for _, part in parts_of(spec.estimator):
        if isinstance(part, TBPTTSpec):
            seconds_a_step += _time_training_step(spec, part.order)
        else:
            seconds_a_step += 2 * part.n_pairs * _time_plain_step(spec)

    n_validations = -(-spec.n_episodes // spec.validation.every_episodes) + 1
    n_validated = spec.validation.n_learners * len(spec.validation_tasks)
    n_validation_steps = n_validations * n_validated * max(spec.validation_horizons)
    validation_seconds = _average(spec.validation_tasks, spec.rule, order=0)
    return Cost(
        n_updates=spec.n_updates,
        n_learner_steps=n_steps + n_validation_steps,
        core_seconds=n_steps * seconds_a_step + n_validation_steps * validation_seconds,
        n_parallel=spec.n_chunks,
        memory_bytes=_estimate_memory(spec),
    )


def _time_training_step(spec: MetaTrainingSpec, order: int) -> float:
    """Seconds of one step of one learner with its derivative, on average over what is drawn."""
    if spec.tasks is None:
        return _average(spec.simple_tasks, spec.rule, order)
    total = 0.0
    shares = sum(family.share for family in spec.tasks.families)
    for family in spec.tasks.families:
        total += family.share / shares * _average(family.typical(), spec.rule, order)
    return total


def _time_plain_step(spec: MetaTrainingSpec) -> float:
    return _time_training_step(spec, order=0)


def _average(tasks: Any, rule: Any, order: int) -> float:
    times = [_time_step(task, rule, order) for task in tasks]
    return sum(times) / max(1, len(times))


def _time_step(task: AnyTaskSpec, rule: Any, order: int) -> float:
    """Seconds of a step of one learner; order 0 is without a derivative by Θ."""
    p = count_coordinates(task)
    rule_seconds = _RULE_SECONDS[rule.kind](rule) * p
    gradient_seconds = time_gradient(task)
    if order == 0:
        return gradient_seconds + _DEPLOYED_SHARE * rule_seconds
    if order == 1:
        return gradient_seconds + rule_seconds
    return _SECOND_ORDER * gradient_seconds + rule_seconds


def time_gradient(task: AnyTaskSpec) -> float:
    """Seconds of the gradient of one learner's minibatch."""
    network = getattr(task, "network", task.kind)
    calls = _CALL_SECONDS.get(network, _OTHER_CALL_SECONDS)
    flop = 6 * task.batch_size * _count_products(task)
    return calls + flop * _FLOP_SECONDS


def _count_products(task: AnyTaskSpec) -> int:
    """Products of weights and numbers for one example: a kernel's weights are used at each
    place."""
    if task.kind in _COORDINATES:
        return 4 * _COORDINATES[task.kind]
    shapes = _build(task).shapes
    return sum(math.prod(shape) * (_PLACES if len(shape) == 4 else 1) for shape in shapes)


def _estimate_memory(spec: MetaTrainingSpec) -> int:
    """Of the largest chunk's period: the states of its tape."""
    drawn = [
        task for family in (spec.tasks.families if spec.tasks else ()) for task in family.typical()
    ]
    largest = max(count_coordinates(task) for task in drawn or spec.simple_tasks)
    period = spec.unroll.period or max(spec.timeline.horizons)
    numbers = _RULE_NUMBERS[spec.rule.kind](spec.rule)
    states = 4 * numbers * largest * period * spec.chunk_size
    return round(_LIBRARIES_BYTES + _TAPE_OVERHEAD * states)


def _estimate_evaluations(spec: EvaluationSpec) -> Cost:
    """Of one suite or of all of them."""
    n_steps = 0
    seconds = 0.0
    largest = 0
    n_cells = 0
    for section in spec.sections:
        for task in section.tasks:
            n_task_steps = _count_rows(section) * task.horizon
            n_steps += n_task_steps
            seconds += n_task_steps * time_gradient(task.learner)
            n_cells += len(section.optimizers) + len(section.baselines)
            largest = max(largest, count_coordinates(task.learner))
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


def _estimate_study(spec: StudySpec) -> Cost:
    """All trials at their full length: a scheduler stops some of them."""
    trial = _estimate_meta_training(spec.base)
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


def count_coordinates(task: AnyTaskSpec) -> int:
    """p of a task's learner; its data is not read."""
    if task.kind in _COORDINATES:
        return _COORDINATES[task.kind]
    return _build(task).n_coordinates


@lru_cache(maxsize=1024)
def _build(task: AnyTaskSpec) -> Learner:
    return build_learner(task, _EMPTY)


def _make_empty(name: str) -> Dataset:
    """One black image in the shape of a dataset's."""
    card = CARDS[name]
    images = torch.zeros((1, *card.image_shape), dtype=torch.uint8)
    labels = torch.zeros(1, dtype=torch.int64)
    return Dataset(name, "train", images, labels, n_classes=card.n_classes)


_EMPTY: Final[dict[str, Dataset]] = {name: _make_empty(name) for name in CARDS}
