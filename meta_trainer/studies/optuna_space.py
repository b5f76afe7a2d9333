"""A study's space in the terms of Optuna, and a point of it there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from meta_trainer.specs.conditional_space import is_active, is_conditional, order_paths
from meta_trainer.specs.domains import (
    ChoiceSpec,
    DomainSpec,
    IntSpec,
    LogUniformSpec,
    UniformSpec,
    format_value,
)
from meta_trainer.specs.study import StudySpec


def make_distributions(
    spec: StudySpec, values: Mapping[str, Any] | None = None
) -> dict[str, BaseDistribution]:
    """The space as Optuna's, by the paths of the varied fields.

    Args:
        values: a point, whose fields alone are asked for; None: the whole space.
    """
    paths = spec.space if values is None else [path for path in spec.space if path in values]
    return {path: _make_distribution(spec.space[path]) for path in paths}


def ask_values(spec: StudySpec, study: Study) -> tuple[Trial, dict[str, Any]]:
    """A new trial of Optuna, and its point.

    A space without conditions is asked for at once. Fields that depend on others are asked for one
    by one, after those, and only where they are active.
    """
    if not is_conditional(spec.space):
        trial = study.ask(make_distributions(spec))
        return trial, from_optuna_params(spec, trial.params)

    trial = study.ask()
    values: dict[str, Any] = {}
    for path in order_paths(spec.space):
        if is_active(spec.space, path, values):
            param = _suggest(trial, path, _make_distribution(spec.space[path]))
            values |= from_optuna_params(spec, {path: param})
    return trial, values


def _suggest(trial: Trial, path: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(path, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(path, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(path, choices)
        case _:
            raise TypeError(f"no distribution of ours: {distribution}")


def to_optuna_params(spec: StudySpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """A point as Optuna's. Options travel as text: Optuna's categories are scalars, ours may be
    objects."""
    params = {}
    for path, value in values.items():
        is_choice = isinstance(spec.space[path], ChoiceSpec)
        params[path] = format_value(value) if is_choice else value
    return params


def from_optuna_params(spec: StudySpec, params: Mapping[str, Any]) -> dict[str, Any]:
    """What `to_optuna_params` was given."""
    values = {}
    for path, param in params.items():
        domain = spec.space[path]
        values[path] = _find_option(domain, param) if isinstance(domain, ChoiceSpec) else param
    return values


def _find_option(domain: ChoiceSpec, label: str) -> Any:
    return next(option for option in domain.options if format_value(option) == label)


def _make_distribution(domain: DomainSpec) -> BaseDistribution:
    match domain:
        case UniformSpec():
            return FloatDistribution(domain.low, domain.probes[-1], step=domain.step)
        case LogUniformSpec():
            return FloatDistribution(domain.low, domain.high, log=True)
        case IntSpec():
            return IntDistribution(domain.low, domain.probes[-1], log=domain.log, step=domain.step)
        case ChoiceSpec():
            return CategoricalDistribution([format_value(option) for option in domain.options])
