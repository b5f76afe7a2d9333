"""Handing cells to a runner a few at a time: an evaluation can be stopped between any two, and its progress is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from meta_trainer.recorder import Recorder
from meta_trainer.runners import Handle, Runner
from meta_trainer.training import Stopped


@dataclass(frozen=True)
class Cell:
    """A call of a pure function, and what to call it in front of people."""

    label: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Schedule:
    """Carries out `n_total` cells, in as many batches as one likes."""

    def __init__(self, runner: Runner, recorder: Recorder, should_stop: Callable[[], bool], n_total: int) -> None:
        self._runner, self._recorder, self._should_stop = runner, recorder, should_stop
        self._n_done, self._n_total = 0, n_total
        recorder.metrics(0, {"progress": 0.0})

    def run(self, cells: Sequence[Cell]) -> list[Any]:
        """The cells' results, in the order of the cells whatever the order of completion.

        Raises:
            Stopped: `should_stop` said so between two cells.
        """
        results: dict[int, Any] = {}
        under_way: dict[int, Handle] = {}
        for position, cell in enumerate(cells):
            while len(under_way) >= self._runner.n_workers:
                self._collect_one(cells, under_way, results)
            self._stop_if_asked()
            under_way[position] = self._runner.call(cell.function, *cell.arguments)[0]
        while under_way:
            self._collect_one(cells, under_way, results)
            self._stop_if_asked()
        return [results[position] for position in range(len(cells))]

    def _collect_one(self, cells: Sequence[Cell], under_way: dict[int, Handle], results: dict[int, Any]) -> None:
        positions = list(under_way)
        i, result = next(iter(self._runner.as_completed([under_way[position] for position in positions])))
        del under_way[positions[i]]
        results[positions[i]] = result
        self._n_done += 1
        label = cells[positions[i]].label
        self._recorder.event("cell", {"done": self._n_done, "total": self._n_total, "label": label})
        self._recorder.metrics(self._n_done, {"progress": self._n_done / self._n_total})

    def _stop_if_asked(self) -> None:
        if self._n_done < self._n_total and self._should_stop():
            self._recorder.event("stopped", {"done": self._n_done, "total": self._n_total})
            raise Stopped
