"""Tune's stopping rules, rebuilt from a study's ledger, and its population-based training.

Tune's own save files are pickles on one machine. A stopping rule, however, knows nothing but the
results that it was told; it is told those of the ledger again, and is as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from ray import tune
from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    TrialScheduler,
)

from meta_trainer.specs.domains import ChoiceSpec, DomainSpec, IntSpec, LogUniformSpec, UniformSpec
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import ASHASpec, MedianSpec, PopulationSpec
from meta_trainer.studies.ledger import Ledger, TrialReport
from meta_trainer.studies.objective import select_watched_loss
from meta_trainer.studies.search import WORST

RESOURCE: Final = "update"
"""Name in Tune's results of how far a trial is, in meta-updates."""
WATCHED: Final = "watched"
"""Name in Tune's results of what schedulers go by; smaller is better."""

_AS_IS: Final[dict[str, Any]] = {"time_attr": RESOURCE, "metric": WATCHED, "mode": "min"}


def make_scheduler(spec: StudySpec, ledger: Ledger) -> TrialScheduler:
    """The scheduler of the spec, as it was when the ledger was written."""
    if isinstance(spec.searcher, PopulationSpec):
        return _make_population(spec, spec.searcher)
    match spec.scheduler:
        case ASHASpec() as asha:
            return ResumedScheduler(_make_asha(spec, asha), spec, ledger)
        case MedianSpec() as median:
            return ResumedScheduler(_make_median(median), spec, ledger)
        case _:
            return FIFOScheduler()


def _make_asha(spec: StudySpec, asha: ASHASpec) -> ASHAScheduler:
    return ASHAScheduler(
        max_t=max(asha.grace_updates, spec.base.n_updates),
        grace_period=asha.grace_updates,
        reduction_factor=asha.reduction,
        stop_last_trials=False,
        **_AS_IS,
    )


def _make_median(median: MedianSpec) -> MedianStoppingRule:
    return MedianStoppingRule(
        grace_period=median.grace_updates,
        min_samples_required=median.min_trials,
        min_time_slice=math.inf,  # type: ignore[arg-type]  # no pause for others' sake
        hard_stop=False,  # asks for a pause, and bears with a trial that goes on
        **_AS_IS,
    )


def to_tune_result(spec: StudySpec, report: TrialReport) -> dict[str, Any]:
    """A report as schedulers read it."""
    loss = select_watched_loss(spec, report)
    return {RESOURCE: report.update, WATCHED: min(loss, WORST)}


@dataclass(eq=False)
class _TrialId:
    """Stands for a trial: Tune's rules ask for nothing but its id."""

    trial_id: str


class ResumedScheduler(FIFOScheduler):
    """A stopping rule that knows trials by their number in the ledger, whatever Tune calls them in
    this attempt."""

    def __init__(self, rule: Any, spec: StudySpec, ledger: Ledger) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rule = rule
        self._ids: dict[int, _TrialId] = {}
        for trial in ledger.trials:
            trial_id = self._introduce(trial.number)
            for report in trial.reports:
                self._rule.on_trial_result(None, trial_id, to_tune_result(spec, report))

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ARG002
        self._introduce(trial.config["number"])

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """A rule that asks for a pause does not come back to the trial: it is stopped."""
        if WATCHED not in result:
            return str(TrialScheduler.CONTINUE)
        trial_id = self._introduce(trial.config["number"])
        decision = self._rule.on_trial_result(tune_controller, trial_id, result)
        goes_on = decision == TrialScheduler.CONTINUE
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def _introduce(self, number: int) -> _TrialId:
        """What the rule knows a trial by; a trial that it does not know yet is added."""
        if number not in self._ids:
            self._ids[number] = _TrialId(str(number))
            self._rule.on_trial_add(None, self._ids[number])
        return self._ids[number]


class _Population(PopulationBasedTraining):
    """PBT whose members come from the conductor. Tune refuses search algorithms beside it, which
    would learn from values that were changed under their hands; the conductor only draws the first
    ones."""

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ARG002
        super().on_trial_add(SimpleNamespace(search_alg=None), trial)  # type: ignore[arg-type]


def _make_population(spec: StudySpec, searcher: PopulationSpec) -> PopulationBasedTraining:
    mutations = {path: _make_mutation(domain) for path, domain in spec.space.items()}
    return _Population(
        perturbation_interval=searcher.perturb_every_updates,
        hyperparam_mutations={"values": mutations},
        quantile_fraction=searcher.quantile,
        custom_explore_fn=_make_bounded_explore(spec),
        require_attrs=False,
        log_config=False,
        **_AS_IS,
    )


def _make_mutation(domain: DomainSpec) -> Any:
    match domain:
        case UniformSpec() if domain.step:
            return tune.quniform(domain.low, domain.high, domain.step)
        case UniformSpec():
            return tune.uniform(domain.low, domain.high)
        case LogUniformSpec():
            return tune.loguniform(domain.low, domain.high)
        case IntSpec():
            return tune.randint(domain.low, domain.high + 1)
        case ChoiceSpec():
            return list(domain.options)


def _make_bounded_explore(spec: StudySpec) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """PBT multiplies numbers by 0.8 or 1.2; the result goes back into the domain."""

    def explore(config: dict[str, Any]) -> dict[str, Any]:
        values = {}
        for path, value in config["values"].items():
            values[path] = _bound(spec.space[path], value)
        return {**config, "values": values}

    return explore


def _bound(domain: DomainSpec, value: Any) -> Any:
    """The nearest value of the domain."""
    if isinstance(domain, ChoiceSpec):
        return value
    if domain.values is not None:
        return min(domain.values, key=lambda allowed: abs(allowed - value))
    return min(max(float(value), domain.low), domain.high)
