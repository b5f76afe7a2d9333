"""The tasks that a benchmark runs: those that a preset or a job validates with, or that its
training draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from meta_trainer.specs import MetaTrainingSpec, TaskDistribution
from meta_trainer.specs.plain_tasks import PlainTaskSpec
from meta_trainer.tasks.sampling import sample_task

_TASKS: Final[TypeAdapter[list[Any]]] = TypeAdapter(list[PlainTaskSpec])
SEED: Final = 99
"""Of the tasks that are drawn: no preset has it."""
MOST_DRAWS: Final = 2000


def name_task(task: Any) -> str:
    """Its network, or its kind: there are LSTMs of both."""
    return str(getattr(task, "network", f"kind {task.kind}"))


def draw_tasks(distribution: TaskDistribution, n_each: int) -> Iterator[tuple[str, Any]]:
    """So many of each kind or network, as they are drawn."""
    counts: defaultdict[str, int] = defaultdict(int)
    for draw in range(MOST_DRAWS):
        task = sample_task(distribution, SEED, draw, 0)
        name = name_task(task)
        counts[name] += 1
        if counts[name] <= n_each:
            yield name, task


def list_tasks(spec: MetaTrainingSpec, n_each: int) -> Iterator[tuple[str, Any]]:
    """The tasks of validation, and so many drawn ones of each kind or network."""
    distribution = spec.tasks
    if distribution is None:
        raise SystemExit("the preset draws no tasks")
    for task in distribution.validation:
        yield f"{name_task(task)}, validation", task
    yield from draw_tasks(distribution, n_each)


def list_either(distribution: TaskDistribution, n_drawn: int) -> list[Any]:
    """So many drawn tasks of each kind or network, kind by kind; those of validation for 0."""
    if not n_drawn:
        return list(distribution.validation)
    return [task for _, task in sorted(draw_tasks(distribution, n_drawn), key=lambda each: each[0])]


def read_tasks(path: Path) -> list[Any]:
    """Those of a JSON list.

    Raises:
        SystemExit: it cannot be read, or is none of tasks.
    """
    try:
        return _TASKS.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise SystemExit(f"{path}: {error}") from error


def choose_tasks(tasks: Sequence[Any], only: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
    """Tasks by their number and network or kind; all, or those whose name has one of these words.

    Raises:
        SystemExit: there are none.
    """
    names = [f"{number} {name_task(task)}" for number, task in enumerate(tasks)]
    found = [
        (name, task)
        for name, task in zip(names, tasks, strict=True)
        if not only or set(only) & set(name.split())
    ]
    if not found:
        raise SystemExit(f"no task is one of {', '.join(only)}: there are {'; '.join(names)}")
    yield from found
