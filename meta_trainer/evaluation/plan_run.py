"""Carrying out a plan: what is kept from earlier is looked up, the rest is run, and kept as soon as
it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from meta_trainer.evaluation.cell_queue import CellQueue
from meta_trainer.evaluation.cells import Outcome
from meta_trainer.evaluation.outcomes import OutcomeCache
from meta_trainer.evaluation.plan import Plan, RowKey, RowSlice
from meta_trainer.evaluation.report import Row
from meta_trainer.evaluation.tuning import Tuned
from meta_trainer.evaluation.tuning_cache import TuningCache


class PlanRun:
    """The rates and outcomes of a plan: first those that were kept, in the end all."""

    def __init__(self, plan: Plan, tuning_cache: TuningCache, outcome_cache: OutcomeCache) -> None:
        self._plan = plan
        self._tuning_cache = tuning_cache
        self._outcome_cache = outcome_cache
        self._tunings = plan.describe_tunings()
        self._tuned_rates = self._load_rates()
        self._outcomes = self._load_outcomes()

    def carry_out(self, open_queue: Callable[[int], CellQueue]) -> list[Row]:
        """Tune what is to be tuned, then run what is to be run.

        Args:
            open_queue: gives a queue for so many cells.

        Raises:
            Stopped: the queue was asked to stop.
        """
        tuning_cells = self._plan.list_tuning_cells(self._tuned_rates)
        missing_runs = self._list_missing_runs()
        queue = open_queue(len(tuning_cells) + len(missing_runs))

        queue.run(tuning_cells, self._keep_rates)
        cells = {run: self._plan.make_cell(run, self._tuned_rates) for run in missing_runs}
        queue.run(cells, self._keep_outcomes)

        return [
            self._plan.make_row(key, self._outcomes, self._tuned_rates) for key in self._plan.keys
        ]

    def _load_rates(self) -> dict[RowKey, Tuned]:
        tuned_rates = {}
        for key, content in self._tunings.items():
            tuned = self._tuning_cache.get(content)
            if tuned is not None:
                tuned_rates[key] = tuned
        return tuned_rates

    def _load_outcomes(self) -> dict[RowSlice, Outcome]:
        """Those of optimizers whose rate is at hand, which is a part of what they are kept by."""
        outcomes = {}
        for row_slice in self._plan.slices:
            needs_tuning = row_slice.row in self._tunings
            if needs_tuning and row_slice.row not in self._tuned_rates:
                continue
            content = self._plan.describe_slice(row_slice, self._tuned_rates)
            outcome = self._outcome_cache.get(content)
            if outcome is not None:
                outcomes[row_slice] = outcome
        return outcomes

    def _list_missing_runs(self) -> list[tuple[RowSlice, ...]]:
        """The plan's runs without the slices whose outcomes are at hand."""
        runs = []
        for run in self._plan.list_runs():
            missing = tuple(row_slice for row_slice in run if row_slice not in self._outcomes)
            if missing:
                runs.append(missing)
        return runs

    def _keep_rates(self, keys: Sequence[RowKey], rates: Mapping[int, Tuned]) -> None:
        """
        Args:
            rates: by horizon, in the order of the keys.
        """
        for key, tuned in zip(keys, rates.values(), strict=True):
            self._tuning_cache.put(self._tunings[key], tuned)
            self._tuned_rates[key] = tuned

    def _keep_outcomes(self, run: Sequence[RowSlice], outcomes: Sequence[Outcome]) -> None:
        for row_slice, outcome in zip(run, outcomes, strict=True):
            content = self._plan.describe_slice(row_slice, self._tuned_rates)
            self._outcome_cache.put(content, outcome)
            self._outcomes[row_slice] = outcome
