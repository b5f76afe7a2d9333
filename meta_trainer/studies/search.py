"""The next trial of a study: a pure function of its spec and its ledger.

Optuna proposes the points. Its study is built anew from the ledger for every proposal, with a
sampler whose seed is derived from (study seed, point): a proposal depends on what is known when it
is asked for, and on nothing that a crash could take away. What is known at that moment depends on
how fast parallel trials run; one trial at a time, or a searcher that does not learn (random, grid),
gives the same trials always.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any, Final

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from meta_trainer.seeds import derive_seed
from meta_trainer.specs.domains import (
    ChoiceSpec,
    DomainSpec,
    IntSpec,
    LogUniformSpec,
    UniformSpec,
    label_of,
)
from meta_trainer.specs.study import PopulationSpec, StudySpec
from meta_trainer.studies.ledger import Ledger, TrialRecord
from meta_trainer.studies.objective import point_objective

optuna.logging.set_verbosity(optuna.logging.WARNING)

MAX_DRAWS: Final = 200
"""Proposals in a row whose values do not go together, after which the space is called empty."""
WORST: Final = 1e30
"""What a sampler is told for an objective that is not finite."""


class EmptySpace(ValueError):
    """The space seems to have no point whose values go together."""


def next_trial(spec: StudySpec, ledger: Ledger) -> TrialRecord | None:
    """The trial after those of the ledger, which it is not put into; None when a grid is at its
    end.

    Raises:
        EmptySpace: no values that go together were found.
    """
    number, seeds = len(ledger.trials), spec.all_seeds
    point, seed = divmod(number, len(seeds))
    if isinstance(spec.searcher, PopulationSpec):
        point, seed = number, number % len(seeds)
    known = ledger.of_point(point)
    values = known[0].values if known else _propose(spec, ledger, point)
    if values is None:
        return None
    n_updates = spec.trial_spec(values, seeds[seed]).n_updates
    return TrialRecord(
        number=number, point=point, seed=seeds[seed], values=values, n_updates=n_updates
    )


def distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """The space as Optuna's."""
    return {path: _distribution(domain) for path, domain in spec.space.items()}


def past_points(spec: StudySpec, ledger: Ledger) -> Iterator[optuna.trial.FrozenTrial]:
    """The points with a finished objective as Optuna's trials; those that run have none, and count
    as taken."""
    space = distributions(spec)
    for _, group in itertools.groupby(ledger.trials, key=lambda trial: trial.point):
        trials = list(group)
        params = {
            path: _to_optuna(spec.space[path], value) for path, value in trials[0].values.items()
        }
        value = point_objective(spec, trials)
        ended = len(trials) == _n_of_point(spec) and all(trial.ended for trial in trials)
        if not ended:
            yield create_trial(state=OptunaState.RUNNING, params=params, distributions=space)
        elif value is None:
            yield create_trial(state=OptunaState.FAIL, params=params, distributions=space)
        else:
            yield create_trial(value=min(value, WORST), params=params, distributions=space)


def _n_of_point(spec: StudySpec) -> int:
    return 1 if isinstance(spec.searcher, PopulationSpec) else len(spec.all_seeds)


def _propose(spec: StudySpec, ledger: Ledger, point: int) -> dict[str, Any] | None:
    if not isinstance(spec.searcher, PopulationSpec) and spec.searcher.kind == "grid":
        return next(itertools.islice(spec.grid(), point, None), None)
    study, space = _optuna_study(spec, ledger, point), distributions(spec)
    for _ in range(MAX_DRAWS):
        trial = study.ask(space)
        values = {
            path: _from_optuna(spec.space[path], value) for path, value in trial.params.items()
        }
        try:
            spec.trial_spec(values, spec.all_seeds[0])
        except ValueError:
            study.tell(trial, state=OptunaState.FAIL)
        else:
            return values
    raise EmptySpace(
        f"{MAX_DRAWS} proposals in a row had values that do not go together, such as {values}"
    )


def _optuna_study(spec: StudySpec, ledger: Ledger, point: int) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            sampler=_sampler(spec, derive_seed(spec.seed, "study", point) % 2**32)
        )
    study.add_trials(list(past_points(spec, ledger)))
    return study


def _sampler(spec: StudySpec, seed: int) -> BaseSampler:
    if isinstance(spec.searcher, PopulationSpec) or spec.searcher.kind == "random":
        return RandomSampler(seed=seed)
    if spec.searcher.kind == "gp":
        return GPSampler(seed=seed, n_startup_trials=spec.searcher.n_startup_points)
    return TPESampler(seed=seed, n_startup_trials=spec.searcher.n_startup_points)


def _distribution(domain: DomainSpec) -> BaseDistribution:
    match domain:
        case UniformSpec():
            return FloatDistribution(domain.low, domain.probes[-1], step=domain.step)
        case LogUniformSpec():
            return FloatDistribution(domain.low, domain.high, log=True)
        case IntSpec():
            return IntDistribution(domain.low, domain.probes[-1], log=domain.log, step=domain.step)
        case ChoiceSpec():
            return CategoricalDistribution([label_of(option) for option in domain.options])


def _to_optuna(domain: DomainSpec, value: Any) -> Any:
    """Options travel as text: Optuna's categories are scalars, ours may be objects."""
    return label_of(value) if isinstance(domain, ChoiceSpec) else value


def _from_optuna(domain: DomainSpec, value: Any) -> Any:
    if not isinstance(domain, ChoiceSpec):
        return value
    return next(option for option in domain.options if label_of(option) == value)
