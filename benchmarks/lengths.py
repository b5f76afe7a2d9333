"""How long each task would like the steps of a Θ to be, and what one length for all of them costs.

    python -m benchmarks.lengths hyperadam-v3 --data-dir FOLDER [--preset default] [--tasks 4]

Learners of tasks that a preset draws, and of those it validates with, are run with all steps c
times as long, for several c, from the same starts over the same minibatches. The cost of c is

    log (final loss with c / the lowest final loss with any c)

after 300 steps, within 1. A Θ that told its tasks apart would have 0 at c = 1 everywhere. Two
starts leave some of it to chance: the lowest of several noisy losses is low by luck, too.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import hyperadam
import torch
from torch import Tensor

from benchmarks.measuring import write_json
from benchmarks.task_lists import list_tasks
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import load_data
from meta_trainer.tasks.build import build_optimizee
from meta_trainer.training.units import one_thread
from meta_trainer.unrolls.optimizers import Learned, LearnedState
from meta_trainer.unrolls.rollout import rollout

LENGTHS: Final = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
"""c."""
N_STARTS: Final = 2
HORIZON: Final = 300
LARGEST_COST: Final = 1.0


class Longer(Learned):
    """Each learner's steps times a number of its own; told how long a run is."""

    def __init__(self, theta: hyperadam.Theta, lengths: Tensor) -> None:
        """
        Args:
            lengths: of the L learners, shape (L, 1).
        """
        super().__init__(theta.rule, theta.vector, theta.rate.over(HORIZON))
        self._lengths = lengths

    def _move(self, w: Tensor, direction: Tensor, state: LearnedState) -> Tensor:
        return super()._move(w, self._lengths * direction, state)


class Liking(NamedTuple):
    """What a task makes of the lengths."""

    name: str
    costs: list[float]
    """Of `LENGTHS`."""

    @property
    def best(self) -> float:
        """The length that costs nothing."""
        return LENGTHS[self.costs.index(min(self.costs))]


def find_liking(theta: hyperadam.Theta, name: str, task: Any, data: Any) -> Liking:
    """The costs of all lengths for one task."""
    logs = measure_lengths(theta, task, data)
    costs = (logs - logs.min()).clamp(max=LARGEST_COST)
    return Liking(name, costs.tolist())


def measure_lengths(
    theta: hyperadam.Theta,
    task: Any,
    data: Any,
    n_starts: int = N_STARTS,
    variant: type[Longer] = Longer,
) -> Tensor:
    """The logarithm of the final loss with each of `LENGTHS`, a mean over starts; ∞ where one
    diverged."""
    names = [(start,) for start in range(n_starts)]
    optimizee = build_optimizee(task, data, 0, "benchmarks/lengths", names * len(LENGTHS))
    lengths = torch.tensor(LENGTHS).repeat_interleave(n_starts)[:, None]
    finals = rollout(variant(theta, lengths), optimizee, HORIZON).final_losses
    return finals.view(len(LENGTHS), n_starts).log().mean(1).nan_to_num(math.inf)


def format_table(likings: Sequence[Liking]) -> str:
    """A line for each task, and the mean over all."""
    heads = " | ".join(f"{length:g}" for length in LENGTHS)
    lines = [f"| task | likes | {heads} |", "| --- | --- |" + " --- |" * len(LENGTHS)]
    lines += [f"| {each.name} | {each.best:g} | {_format(each.costs)} |" for each in likings]
    means = torch.tensor([liking.costs for liking in likings]).mean(0).tolist()
    lines.append(f"| mean | | {_format(means)} |")
    return "\n".join(lines)


def _format(costs: Sequence[float]) -> str:
    return " | ".join(f"{cost:.3f}" for cost in costs)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How long tasks would like steps to be.")
    parser.add_argument("theta", help="a shipped name, or a file")
    parser.add_argument("--preset", default="default", help="whose tasks are run")
    parser.add_argument("--tasks", type=int, default=4, help="of each kind or network")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where figures go, too")
    arguments = parser.parse_args(words)

    is_file = Path(arguments.theta).is_file()
    read = hyperadam.Theta.load if is_file else hyperadam.pretrained
    theta = read(arguments.theta)
    spec = MetaTrainingSpec.model_validate({"preset": arguments.preset})
    data = load_data(spec.data_tasks, arguments.data_dir)
    with one_thread():
        likings = [
            find_liking(theta, name, task, data) for name, task in list_tasks(spec, arguments.tasks)
        ]
    print(format_table(likings))
    if arguments.json:
        write_json(arguments.json, [liking._asdict() for liking in likings])


if __name__ == "__main__":
    main()
