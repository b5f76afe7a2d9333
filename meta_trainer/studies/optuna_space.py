"""A study's space in the terms of Optuna, and a point of it there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from meta_trainer.specs.domains import (
    ChoiceSpec,
    DomainSpec,
    IntSpec,
    LogUniformSpec,
    UniformSpec,
    format_value,
)
from meta_trainer.specs.study import StudySpec


def make_distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """The space as Optuna's, by the paths of the varied fields."""
    return {path: _make_distribution(domain) for path, domain in spec.space.items()}


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
