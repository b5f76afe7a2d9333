"""What a Θ of `hyperadam-tensor` has left to gain along named directions, by true slopes.

    python -m benchmarks.remaining hyperadam-v8 --data-dir FOLDER
        [--preset default | --job-of hyperadam-v7] [--tasks 4 | --validation] [--starts 3]
        [--horizon 300] [--json FILE]

f is the logarithm of the final loss after T steps, of which each run is told; u a direction of Θ:

    slope       s = (f(Θ + h u) − f(Θ − h u)) / 2h
    curvature   c = (f(Θ + h u) − 2 f(Θ) + f(Θ − h u)) / h²
    gain        s² / 2c, at −s/c: how far below f(Θ) the parabola through these three goes

The same starts and minibatches for all. Means over tasks, with the standard error of the slope's. A
slope that is nothing but noise has a gain, too, σ² / 2c on average, which stands beside it. Where
the parabola has no lowest point within ± h, the gain is that of the better end.

    length       log of the length of all steps
    vectors      of those of biases and scales
    gain, fan-in, fan-out, scale, scales, tensors, gains
                 powers of what a tensor and its network are, in the length of its steps
    forgetting   Θ + ε (Θ − untrained), of the AdamCell: how fast moments forget
    mixture      the same of the WeightCell: what each of them weighs

Along the last two, −1 is untrained, and a Θ that training had not brought far enough has a slope
below 0.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import hyperadam
import torch
from hyperadam.rules import HyperAdamTensorRule
from torch import Tensor

from benchmarks.grid import measure
from benchmarks.judgements import subtract
from benchmarks.measuring import write_json
from benchmarks.task_lists import choose_tasks, list_either
from benchmarks.thetas import add_tasks_argument, read_spec, read_theta
from meta_trainer.seeds import make_generator
from meta_trainer.tasks import load_data
from meta_trainer.training.units import one_thread

POWERS: Final = ("gain", "fan-in", "fan-out", "scale", "scales", "tensors", "gains")
"""Of `length.exponents`, as many as the rule has."""
STEP_OF_LENGTH: Final = 0.3
STEP_OF_POWER: Final = 0.15
STEP_OF_CELL: Final = 0.5


@dataclass(frozen=True, eq=False)
class Direction:
    """A way in which Θ is changed."""

    name: str
    along: Tensor
    """u, shape (n_theta,)."""
    step: float
    """h."""


@dataclass(frozen=True)
class Remainder:
    """What is left along one direction."""

    direction: str
    slope: float
    standard_error: float
    curvature: float
    best: float
    """Where the parabola, or the better end of what was tried, is lowest; in units of u."""
    gain: float
    of_noise: float
    """The mean gain of a slope that is noise alone; ∞ where the parabola has no lowest point."""


def name_directions(theta: hyperadam.Theta) -> list[Direction]:
    """
    Raises:
        ValueError: the rule is another than `hyperadam-tensor`.
    """
    rule = theta.rule
    if not isinstance(rule, HyperAdamTensorRule):
        raise ValueError(f"these are directions of hyperadam-tensor, not of {rule.kind}")
    start = rule.init_theta(make_generator(0, "theta"))

    zeros = {key: torch.zeros_like(tensor) for key, tensor in theta.tensors.items()}

    def pack(name: str, values: Tensor) -> Tensor:
        return rule.pack(zeros | {name: values})

    def learned(cell: str) -> Tensor:
        names = (f"{cell}.weight", f"{cell}.bias")
        return rule.pack(
            zeros | {name: theta.tensors[name] - start[name].float() for name in names}
        )

    biases = theta.tensors["length.bias"]
    of_vectors = torch.zeros_like(biases)
    of_vectors[-1] = 1
    units = torch.eye(len(theta.tensors["length.exponents"]))
    return [
        Direction("length", pack("length.bias", torch.ones_like(biases)), STEP_OF_LENGTH),
        Direction("vectors", pack("length.bias", of_vectors), STEP_OF_LENGTH),
        *(
            Direction(name, pack("length.exponents", unit), STEP_OF_POWER)
            for name, unit in zip(POWERS, units, strict=False)
        ),
        Direction("forgetting", learned("adam_cell"), STEP_OF_CELL),
        Direction("mixture", learned("weight_cell"), STEP_OF_CELL),
    ]


def measure_task(
    theta: hyperadam.Theta,
    directions: Sequence[Direction],
    task: Any,
    data: Any,
    horizon: int,
    n_starts: int,
) -> dict[str, list[float]]:
    """Of each direction f(Θ − h u) − f(Θ) and f(Θ + h u) − f(Θ), each within 1."""

    def run(vector: Tensor) -> Tensor:
        changed = hyperadam.Theta.from_vector(theta.rule, vector, rate=theta.rate)
        return measure(changed, task, data, [horizon], n_starts)

    middle = run(theta.vector)
    ends = {
        each.name: [run(theta.vector + sign * each.step * each.along) for sign in (-1, 1)]
        for each in directions
    }
    return {name: subtract(torch.cat(own), middle).tolist() for name, own in ends.items()}


def find_remainder(direction: Direction, ends: Tensor) -> Remainder:
    """
    Args:
        ends: what `measure_task` gives, of at least two tasks; shape (n_tasks, 2).
    """
    h = direction.step
    below, above = ends.double().T
    slopes = (above - below) / (2 * h)
    slope = float(slopes.mean())
    error = float(slopes.std()) / math.sqrt(len(slopes))
    curvature = float((above + below).mean()) / h**2
    best = -slope / curvature if curvature > 0 else math.inf
    if abs(best) <= h:
        gain = slope**2 / (2 * curvature)
    else:
        best = math.copysign(h, -slope)
        gain = max(0.0, -float((above if best > 0 else below).mean()))
    of_noise = error**2 / (2 * curvature) if curvature > 0 else math.inf
    return Remainder(direction.name, slope, error, curvature, best, gain, of_noise)


def format_table(remainders: Sequence[Remainder]) -> str:
    """A line for each direction."""
    lines = ["| direction | slope | curvature | lowest at | gain | of noise alone |"]
    lines.append("| --- |" + " --- |" * 5)
    lines += [
        f"| {each.direction} | {each.slope:+.3f} ± {each.standard_error:.3f} | "
        f"{each.curvature:+.2f} | {each.best:+.2f} | {each.gain:.4f} | {each.of_noise:.4f} |"
        for each in remainders
    ]
    return "\n".join(lines)


def add_up(
    directions: Sequence[Direction], by_task: Mapping[str, Mapping[str, Sequence[float]]]
) -> list[Remainder]:
    """Over all tasks."""
    return [
        find_remainder(each, torch.tensor([ends[each.name] for ends in by_task.values()]))
        for each in directions
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What a Theta has left to gain.")
    parser.add_argument("theta", help="a name as in benchmarks.thetas")
    add_tasks_argument(parser)
    parser.add_argument("--tasks", type=int, default=4, help="of each kind or network, drawn")
    parser.add_argument("--validation", action="store_true", help="its tasks in their place")
    parser.add_argument("--starts", type=int, default=3, help="of each task")
    parser.add_argument("--horizon", type=int, default=300, help="T")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where figures go, too, after each task")
    arguments = parser.parse_args(words)

    spec = read_spec(arguments)
    theta = read_theta(arguments.theta, spec)
    directions = name_directions(theta)
    assert spec.tasks is not None
    n_drawn = 0 if arguments.validation else arguments.tasks
    tasks = dict(choose_tasks(list_either(spec.tasks, n_drawn)))
    data = load_data(list(tasks.values()), arguments.data_dir)
    by_task: dict[str, dict[str, list[float]]] = {}
    remainders: list[Remainder] = []
    with one_thread():
        for name, task in tasks.items():
            by_task[name] = measure_task(
                theta, directions, task, data, arguments.horizon, arguments.starts
            )
            if len(by_task) < 2:
                continue
            remainders = add_up(directions, by_task)
            if arguments.json:
                rows = [asdict(remainder) for remainder in remainders]
                write_json(arguments.json, {"remainders": rows, "ends": by_task})
    print(f"{len(by_task)} tasks, {arguments.starts} starts, {arguments.horizon} steps")
    print(format_table(remainders))


if __name__ == "__main__":
    main()
