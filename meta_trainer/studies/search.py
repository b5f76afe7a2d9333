"""The next trial of a study: a pure function of its spec and its ledger.

Optuna proposes the points. Its study is built anew from the ledger for every proposal, with a
sampler whose seed is derived from (study seed, point): a proposal depends on what is known when it
is asked for, and on nothing that a crash could take away. What is known at that moment depends on
how fast parallel trials run; one trial at a time, or a searcher that does not learn (random, grid),
gives the same trials always.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any, Final

import optuna
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from meta_trainer.seeds import derive_seed
from meta_trainer.specs.conditional_space import is_conditional
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import PopulationSpec
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialState
from meta_trainer.studies.objective import compute_point_objective, select_watched_loss
from meta_trainer.studies.optuna_space import ask_values, make_distributions, to_optuna_params
from meta_trainer.studies.warm_start import KnownPoint, to_optuna_trials

optuna.logging.set_verbosity(optuna.logging.WARNING)

MAX_DRAWS: Final = 200
"""Proposals in a row whose values do not go together, after which the space is called empty."""
WORST: Final = 1e30
"""What a sampler is told for an objective that is not finite."""


class EmptySpace(ValueError):
    """The space seems to have no point whose values go together."""


def propose_trial(
    spec: StudySpec, ledger: Ledger, known: Sequence[KnownPoint] = ()
) -> TrialRecord | None:
    """The trial after those of the ledger, which it is not put into; None when a grid is at its
    end.

    Args:
        known: points of another study, which the searcher learns from as well.

    Raises:
        EmptySpace: no values that go together were found.
    """
    number = len(ledger.trials)
    seeds = spec.all_seeds
    if isinstance(spec.searcher, PopulationSpec):
        point = number
        seed = seeds[number % len(seeds)]
    else:
        point, position = divmod(number, len(seeds))
        seed = seeds[position]

    earlier_trials = ledger.select_by_point(point)
    if earlier_trials:
        values = earlier_trials[0].values
    else:
        proposal = _propose_values(spec, ledger, known, point)
        if proposal is None:
            return None
        values = proposal
    n_updates = spec.trial_spec(values, seed).n_updates
    return TrialRecord(number=number, point=point, seed=seed, values=values, n_updates=n_updates)


def list_past_points(spec: StudySpec, ledger: Ledger) -> list[FrozenTrial]:
    """The points as Optuna's trials.

    Those that were trained to the end are complete. Those that a scheduler stopped are pruned, with
    their losses by update: losses at unlike budgets are not compared. Those that run have no
    objective, and count as taken.
    """
    groups = itertools.groupby(ledger.trials, key=lambda trial: trial.point)
    return [_to_optuna_trial(spec, list(trials)) for _, trials in groups]


def _to_optuna_trial(spec: StudySpec, trials: list[TrialRecord]) -> FrozenTrial:
    """The trials of one point, over all its seeds, as one trial of Optuna."""
    params = to_optuna_params(spec, trials[0].values)
    space = make_distributions(spec, trials[0].values)
    is_complete = len(trials) == _count_seeds_of_point(spec)
    if not (is_complete and all(trial.ended for trial in trials)):
        return create_trial(state=OptunaState.RUNNING, params=params, distributions=space)

    stopped = [trial for trial in trials if trial.state is TrialState.STOPPED]
    if stopped:
        return create_trial(
            state=OptunaState.PRUNED,
            params=params,
            distributions=space,
            intermediate_values=_average_reports(spec, trials),
        )
    value = compute_point_objective(spec, trials)
    if value is None:
        return create_trial(state=OptunaState.FAIL, params=params, distributions=space)
    return create_trial(value=min(value, WORST), params=params, distributions=space)


def _average_reports(spec: StudySpec, trials: list[TrialRecord]) -> dict[int, float]:
    """Update → mean of the losses that schedulers go by, over the trials that came so far."""
    losses: dict[int, list[float]] = {}
    for trial in trials:
        for report in trial.reports:
            loss = min(select_watched_loss(spec, report), WORST)
            losses.setdefault(report.update, []).append(loss)
    return {update: math.fsum(values) / len(values) for update, values in sorted(losses.items())}


def _count_seeds_of_point(spec: StudySpec) -> int:
    return 1 if isinstance(spec.searcher, PopulationSpec) else len(spec.all_seeds)


def _propose_values(
    spec: StudySpec, ledger: Ledger, known: Sequence[KnownPoint], point: int
) -> dict[str, Any] | None:
    """The values of a new point; None when a grid is at its end."""
    if not isinstance(spec.searcher, PopulationSpec) and spec.searcher.kind == "grid":
        return next(itertools.islice(spec.grid(), point, None), None)

    study = _make_optuna_study(spec, ledger, known, point)
    for _ in range(MAX_DRAWS):
        trial, values = ask_values(spec, study)
        try:
            spec.trial_spec(values, spec.all_seeds[0])
        except ValueError:
            study.tell(trial, state=OptunaState.FAIL)
        else:
            return values
    raise EmptySpace(
        f"{MAX_DRAWS} proposals in a row had values that do not go together, such as {values}"
    )


def _make_optuna_study(
    spec: StudySpec, ledger: Ledger, known: Sequence[KnownPoint], point: int
) -> optuna.Study:
    seed = derive_seed(spec.seed, "study", point) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(sampler=_make_sampler(spec, seed))
    study.add_trials([*to_optuna_trials(spec, known), *list_past_points(spec, ledger)])
    return study


def _make_sampler(spec: StudySpec, seed: int) -> BaseSampler:
    """With conditions TPE learns each group of fields that are active together, from the points
    that have them, and how its values go together."""
    if isinstance(spec.searcher, PopulationSpec) or spec.searcher.kind == "random":
        return RandomSampler(seed=seed)
    if spec.searcher.kind == "gp":
        return GPSampler(seed=seed, n_startup_trials=spec.searcher.n_startup_points)
    n_startup_points = spec.searcher.n_startup_points
    if is_conditional(spec.space):
        return TPESampler(
            seed=seed, n_startup_trials=n_startup_points, multivariate=True, group=True
        )
    return TPESampler(seed=seed, n_startup_trials=n_startup_points)
