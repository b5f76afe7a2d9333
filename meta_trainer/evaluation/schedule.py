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


class Schedule:
    """Carries out `n_total` cells, in as many batches as one likes."""

    def __init__(
        self, runner: Runner, recorder: Recorder, should_stop: Callable[[], bool], n_total: int
    ) -> None:
        self._runner, self._recorder, self._should_stop = runner, recorder, should_stop
        self._n_done, self._n_total = 0, n_total
        recorder.metrics(0, {"progress": 0.0})

    def run(
        self, cells: Mapping[K, Cell], done: Callable[[K, Any], None] | None = None
    ) -> dict[K, Any]:
        """The cells' results by key, in the order of the cells whatever the order of completion.

        Args:
            done: is given each result as soon as it is there.

        Raises:
            Stopped: `should_stop` said so between two cells.
        """
        results: dict[K, Any] = {}
        under_way: dict[K, Handle] = {}

        def collect_one() -> None:
            keys = list(under_way)
            i, result = next(iter(self._runner.as_completed([under_way[key] for key in keys])))
            del under_way[keys[i]]
            results[keys[i]] = result
            if done is not None:
                done(keys[i], result)
            self._tell(cells[keys[i]].label)

        for key, cell in cells.items():
            while len(under_way) >= self._runner.n_workers:
                collect_one()
            self._stop_if_asked()
            under_way[key] = self._runner.call(cell.function, *cell.arguments)[0]
        while under_way:
            collect_one()
            self._stop_if_asked()
        return {key: results[key] for key in cells}

    def _tell(self, label: str) -> None:
        self._n_done += 1
        self._recorder.event("cell", {"done": self._n_done, "total": self._n_total, "label": label})
        self._recorder.metrics(self._n_done, {"progress": self._n_done / self._n_total})

    def _stop_if_asked(self) -> None:
        if self._n_done < self._n_total and self._should_stop():
            self._recorder.event("stopped", {"done": self._n_done, "total": self._n_total})
            raise Stopped
