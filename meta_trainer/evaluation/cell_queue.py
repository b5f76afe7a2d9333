"""Handing cells to a runner a few at a time: an evaluation can be stopped between any two, and its
progress is told."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from meta_trainer.recorder import Recorder
from meta_trainer.runners import Handle, Runner
from meta_trainer.training.result import Stopped

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Cell:
    """A call of a pure function, and what to call it in front of people."""

    label: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class CellQueue:
    """Carries out `n_total` cells, in as many batches as one likes."""

    def __init__(
        self, runner: Runner, recorder: Recorder, should_stop: Callable[[], bool], n_total: int
    ) -> None:
        self._runner = runner
        self._recorder = recorder
        self._should_stop = should_stop
        self._n_total = n_total
        self._n_done = 0
        recorder.metrics(0, {"progress": 0.0})

    def run(
        self, cells: Mapping[K, Cell], on_result: Callable[[K, Any], None] | None = None
    ) -> dict[K, Any]:
        """The cells' results by key, in the order of the cells whatever the order of completion.

        Args:
            on_result: is given each result as soon as it is there.

        Raises:
            Stopped: `should_stop` said so between two cells.
        """
        results: dict[K, Any] = {}
        running: dict[K, Handle] = {}

        def collect_one() -> None:
            key, result = self._wait_for_one(running)
            results[key] = result
            if on_result is not None:
                on_result(key, result)
            self._report(cells[key].label)

        for key, cell in cells.items():
            while len(running) >= self._runner.n_workers:
                collect_one()
            self._stop_if_asked()
            running[key] = self._runner.call(cell.function, *cell.arguments)[0]

        while running:
            collect_one()
            self._stop_if_asked()

        return {key: results[key] for key in cells}

    def _wait_for_one(self, running: dict[K, Handle]) -> tuple[K, Any]:
        """The next cell that is done, which is taken out of those running."""
        keys = list(running)
        handles = list(running.values())
        i, result = next(iter(self._runner.as_completed(handles)))
        del running[keys[i]]
        return keys[i], result

    def _report(self, label: str) -> None:
        self._n_done += 1
        self._recorder.event("cell", {"done": self._n_done, "total": self._n_total, "label": label})
        self._recorder.metrics(self._n_done, {"progress": self._n_done / self._n_total})

    def _stop_if_asked(self) -> None:
        if self._n_done < self._n_total and self._should_stop():
            self._recorder.event("stopped", {"done": self._n_done, "total": self._n_total})
            raise Stopped
