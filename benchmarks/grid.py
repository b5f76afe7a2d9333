"""How low several Θ, or one that is changed in several ways, take tasks of validation or training.

    python -m benchmarks.grid hyperadam-v4 hyperadam-v4:length_kept=0.1 --data-dir FOLDER
        [--job-of hyperadam-v6 | --preset default] [--drawn 2 | --tasks FILE] [--only lstm text]
        [--starts 4] [--horizons 100 300] [--averaging 0 12] [--json FILE]

With `--drawn`, tasks are so many of each kind or network that training draws: what a Θ gained there
and lost in validation, it did not learn for others. With `--tasks`, they are those of a file, a
list as `tasks.validation` of a job has them. With `--averaging`, a run gives an average of its
newest weights, once for each η; 0 is its last ones (`hyperadam.averaging`).

All run from the same starts over the same minibatches, with the steps that they have. A cell is the
mean over starts of log (final loss) after each horizon; the last line, the mean over tasks. The
grids of decisions 53, 54 and 56 are of this form, a few tasks at a time.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import hyperadam
import torch
from torch import Tensor

from benchmarks.measuring import write_json
from benchmarks.task_lists import choose_tasks, list_either, read_tasks
from benchmarks.thetas import add_tasks_argument, read_spec, read_theta
from meta_trainer.tasks import load_data
from meta_trainer.tasks.build import build_optimizee
from meta_trainer.training.units import one_thread
from meta_trainer.unrolls.rollout import learned_rollouts

PURPOSE = "benchmarks/lengths"
"""Of the starts: those of the other benchmarks of the same tasks."""


class Line(NamedTuple):
    """One task."""

    task: str
    logs: dict[str, list[float]]
    """Θ → mean over starts of log (final loss) after each horizon; ∞ where one diverged."""


def measure(
    theta: hyperadam.Theta,
    task: Any,
    data: Any,
    horizons: Sequence[int],
    n_starts: int,
    averaging: float = 0.0,
) -> Tensor:
    """Mean over starts of log (final loss) after each horizon, shape (H,)."""
    names = [(start,) for start in range(n_starts)]
    optimizee = build_optimizee(task, data, 0, PURPOSE, names)
    runs = learned_rollouts(theta.rule, theta.vector, theta.rate, optimizee, horizons, averaging)
    finals = torch.stack([run.final_losses for run in runs])  # shape: (H, L)
    return finals.log().mean(1).nan_to_num(math.inf)


def format_table(lines: Sequence[Line], names: Sequence[str]) -> str:
    """A line for each task, and their mean."""
    means = {
        name: torch.tensor([line.logs[name] for line in lines]).mean(0).tolist() for name in names
    }
    rows = [f"| task | {' | '.join(names)} |", "| --- |" + " --- |" * len(names)]
    rows += [_format_row(line.task, line.logs, names) for line in lines]
    return "\n".join([*rows, _format_row("mean", means, names)])


def _format_row(head: str, logs: Mapping[str, Sequence[float]], names: Sequence[str]) -> str:
    cells = [" / ".join(f"{log:+.3f}" for log in logs[name]) for name in names]
    return f"| {head} | {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How low Thetas take tasks.")
    parser.add_argument("theta", nargs="+", help="names as in benchmarks.thetas")
    add_tasks_argument(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--drawn", type=int, default=0, help="of each kind, as training draws them")
    which.add_argument("--tasks", type=Path, help="a JSON list of tasks")
    parser.add_argument("--only", nargs="+", default=(), help="numbers, networks or kinds of tasks")
    parser.add_argument("--starts", type=int, default=4, help="of each task")
    parser.add_argument("--horizons", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--averaging", type=float, nargs="+", default=[0.0], help="of weights: η")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where figures go, too")
    arguments = parser.parse_args(words)

    spec = read_spec(arguments)
    assert spec.tasks is not None
    if arguments.tasks:
        every_task: list[Any] = read_tasks(arguments.tasks)
    else:
        every_task = list_either(spec.tasks, arguments.drawn)
    tasks = dict(choose_tasks(every_task, arguments.only))
    data = load_data(list(tasks.values()), arguments.data_dir)
    thetas = {name: read_theta(name, spec) for name in arguments.theta}
    columns = {
        f"{name}, η = {eta:g}" if eta else name: (theta, eta)
        for name, theta in thetas.items()
        for eta in arguments.averaging
    }
    horizons = sorted(set(arguments.horizons))
    lines = []
    with one_thread():
        for task_name, task in tasks.items():
            logs = {
                name: measure(theta, task, data, horizons, arguments.starts, eta).tolist()
                for name, (theta, eta) in columns.items()
            }
            lines.append(Line(task_name, logs))
    print(format_table(lines, list(columns)))
    if arguments.json:
        write_json(arguments.json, [line._asdict() for line in lines])


if __name__ == "__main__":
    main()
