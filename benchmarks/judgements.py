"""Optimizers that were run on the same tasks with several lengths of their steps, each judged at
the length that is best for all tasks together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import hyperadam
import torch
from torch import Tensor

from benchmarks.lengths import LARGEST_COST, LENGTHS, Longer, measure_lengths


class Judgement(NamedTuple):
    """What became of one optimizer."""

    name: str
    length: float
    """The best one of `LENGTHS`."""
    difference: float
    """Mean over tasks of the log of its final loss over another's, each at its best length."""
    standard_error: float
    as_it_is: float
    """The same difference with the length that it has itself."""


def compare(
    thetas: Mapping[str, hyperadam.Theta],
    tasks: Sequence[Any],
    data: Any,
    n_starts: int,
    usual: str,
    variants: Mapping[str, type[Longer]] | None = None,
) -> list[Judgement]:
    """All by the same starts and minibatches, beside the one that is named `usual`.

    Args:
        variants: by the same names, what moves by a Θ; where one is missing, the rule as it is.
    """
    logs: dict[str, Tensor] = {}
    for name, theta in thetas.items():
        variant = (variants or {}).get(name, Longer)
        rows = [measure_lengths(theta, task, data, n_starts, variant) for task in tasks]
        logs[name] = torch.stack(rows)
    return [judge(name, own, logs[usual]) for name, own in logs.items()]


def judge(name: str, logs: Tensor, usual_logs: Tensor) -> Judgement:
    """
    Args:
        logs: log of the final loss of each task with each of `LENGTHS`; ∞ where it diverged.
        usual_logs: those of the optimizer that it is compared with.
    """
    usual = usual_logs[:, find_best(usual_logs)]
    best = find_best(logs)
    differences = subtract(logs[:, best], usual)
    as_it_is = subtract(logs[:, LENGTHS.index(1.0)], usual)
    return Judgement(
        name=name,
        length=LENGTHS[best],
        difference=float(differences.mean()),
        standard_error=float(differences.std()) / math.sqrt(len(differences)),
        as_it_is=float(as_it_is.mean()),
    )


def find_best(logs: Tensor) -> int:
    """Which of `LENGTHS` costs all tasks together least."""
    costs = subtract(logs, logs.min(1, keepdim=True).values)
    return int(costs.mean(0).argmin())


def format_table(judgements: Sequence[Judgement], head: str, usual: str) -> str:
    """A line for each optimizer."""
    lines = [
        f"| {head} | best length | log of the final loss, less that of {usual} | as it is |",
        "| --- | --- | --- | --- |",
    ]
    for each in judgements:
        difference = f"{each.difference:+.3f} ± {each.standard_error:.3f}"
        lines.append(f"| {each.name} | {each.length:g} | {difference} | {each.as_it_is:+.3f} |")
    return "\n".join(lines)


def subtract(logs: Tensor, others: Tensor) -> Tensor:
    """Differences within `LARGEST_COST`; 0 where both diverged."""
    return (logs - others).nan_to_num(0.0).clamp(-LARGEST_COST, LARGEST_COST)
